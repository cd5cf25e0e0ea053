import type { GateCase } from "./gate_suite.ts";
export const FRONT_END_CASES: readonly GateCase[] = [];
