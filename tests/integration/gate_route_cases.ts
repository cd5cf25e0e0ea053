import type { GateCase } from "./gate_suite.ts";
export const ROUTE_CASES: readonly GateCase[] = [];
