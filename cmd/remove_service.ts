import { removeService } from "../lib/admin/mod.ts";
import type { AdminCommand } from "./admin_command.ts";
import { GATE_FLAGS, gateOf } from "./run_flags.ts";

/** `remove-service`: flags → settings of lib/admin. */
export const command: AdminCommand = {
  name: "remove-service",
  summary: "take back what add-service did",
  words: ["NAME"],
  flags: {
    namespace: { type: "string", help: "namespace of the mesh (the one that krun is told)" },
    force: { type: "boolean", help: "also where it is in use, or was changed since add-service" },
    ...GATE_FLAGS,
  },
  more: "Gives the service the template and the traffic that it had before add-service, and takes it out of the mesh.",
  examples: ["remove-service web --namespace shop"],
  plan(args, context, timing) {
    const [name = ""] = args.words;
    const settings = { name, namespace: args.text("namespace"), force: args.is("force"), ...gateOf(args) };
    return removeService(settings, context, timing);
  },
};
