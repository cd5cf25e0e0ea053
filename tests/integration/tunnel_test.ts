import { krunTunnel } from "../../lib/tunnel/mod.ts";
import { tunnelConformance } from "./tunnel_suite.ts";

tunnelConformance(krunTunnel);
