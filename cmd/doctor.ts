import { doctorExitCode, doctorText, examine } from "../lib/admin/doctor/mod.ts";
import type { OutputFormat } from "../lib/admin/mod.ts";
import type { LookingCommand } from "./admin_command.ts";
import { ADMIN_NAMES } from "./admin_names.ts";

/** `doctor`: looks, says what it saw, changes nothing. */
export const command: LookingCommand = {
  name: "doctor",
  summary: ADMIN_NAMES.doctor,
  words: [],
  flags: {
    service: { type: "string", value: "NAME", help: "look at this Cloud Run service too" },
    namespace: { type: "string", help: "namespace of the mesh (NS of the service's account k8s-NS@…)" },
    "gate-account": {
      type: "string",
      value: "EMAIL",
      help: "Google account of the gate, where its service account does not say it",
    },
    timeout: { type: "string", value: "DURATION", help: "for each look, e.g. 10s (5s)" },
  },
  more: "Each check passes, warns, fails or is skipped; docs/admin.md has them all.",
  exitCodes: "0 nothing fails, 1 a check fails",
  examples: ["doctor --service web --namespace shop"],
  async look(args, context, { signal, print, hasColour }) {
    const report = await examine({
      context,
      service: args.text("service"),
      namespace: args.text("namespace"),
      gateAccount: args.text("gate-account"),
      isClusterNamed: (args.text("cluster") ?? args.text("context")) !== undefined,
      timeoutMs: args.durationMs("timeout"),
      signal,
    });
    print(await doctorText(report, (args.text("output") ?? "text") as OutputFormat, hasColour));
    return doctorExitCode(report);
  },
};
