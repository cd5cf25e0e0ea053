import type { GateCase } from "./gate_suite.ts";
export const HELLO_CASES: readonly GateCase[] = [];
