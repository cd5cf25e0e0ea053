import { embeddedGate } from "../../lib/gate/mod.ts";
import { gateConformance } from "./gate_suite.ts";

gateConformance(embeddedGate);
