import { unregisterService } from "../lib/admin/mod.ts";
import type { AdminCommand } from "./admin_command.ts";
import { GATE_FLAGS, gateOf } from "./run_flags.ts";

/** `unregister-service`: flags → settings of lib/admin. */
export const command: AdminCommand = {
  name: "unregister-service",
  summary: "take back what register-service did",
  words: ["NAME"],
  flags: {
    namespace: { type: "string", help: "namespace of the service in the mesh (the kubeconfig's, else default)" },
    force: { type: "boolean", help: "also where it is in use" },
    "no-invoker": { type: "boolean", help: "leave the gate's account the role that it was given" },
    ...GATE_FLAGS,
  },
  async plan(args, context, timing) {
    const [name = ""] = args.words;
    return await unregisterService(
      {
        name,
        namespace: args.text("namespace") ?? await context.namespace(),
        force: args.is("force"),
        invoker: !args.is("no-invoker"),
        ...gateOf(args),
      },
      context,
      timing,
    );
  },
};
