import { unregisterService } from "../lib/admin/mod.ts";
import { GATE_NAMESPACE } from "../lib/registration/mod.ts";
import type { AdminCommand } from "./admin_command.ts";

/** `unregister-service`: flags → settings of lib/admin. */
export const command: AdminCommand = {
  name: "unregister-service",
  summary: "take back what register-service did",
  words: ["NAME"],
  flags: {
    namespace: { type: "string", help: "namespace of the service in the mesh (the kubeconfig's, else default)" },
    force: { type: "boolean", help: "also where it is in use" },
    "no-invoker": { type: "boolean", help: "leave the gate's account the role that it was given" },
    "gate-namespace": { type: "string", value: "NAMESPACE", help: `namespace of the gate (${GATE_NAMESPACE})` },
    "cluster-domain": { type: "string", value: "DOMAIN", help: "DNS domain of the cluster (cluster.local)" },
  },
  async plan(args, context, timing) {
    const [name = ""] = args.words;
    return await unregisterService(
      {
        name,
        namespace: args.text("namespace") ?? await context.namespace(),
        force: args.is("force"),
        invoker: !args.is("no-invoker"),
        gateNamespace: args.text("gate-namespace") ?? GATE_NAMESPACE,
        clusterDomain: args.text("cluster-domain") ?? "cluster.local",
      },
      context,
      timing,
    );
  },
};
