import { readPorts, readRegions, registerService } from "../lib/admin/mod.ts";
import { GATE_NAMESPACE } from "../lib/registration/mod.ts";
import type { AdminCommand } from "./admin_command.ts";
import { ADMIN_NAMES } from "./admin_names.ts";

/** `register-service`: flags → settings of lib/admin. */
export const command: AdminCommand = {
  name: "register-service",
  summary: ADMIN_NAMES["register-service"],
  words: ["NAME"],
  flags: {
    namespace: { type: "string", help: "namespace of the service in the mesh (the kubeconfig's, else default)" },
    service: { type: "string", help: "its name in Cloud Run (NAME)" },
    region: {
      type: "string",
      multiple: true,
      value: "REGION[=WEIGHT]",
      help: "Cloud Run's region (gcloud's); several share the requests by weight",
    },
    port: { type: "string", multiple: true, value: "NAME=NUMBER", help: "port of the Service (http=8080)" },
    url: { type: "string", multiple: true, value: "[REGION=]URL", help: "custom domain (the URL that Cloud Run gave)" },
    audience: { type: "string", help: "audience of ID tokens (one that the service takes for the URL)" },
    workload: { type: "string", help: "what the workload calls itself, its label app (its name in Cloud Run)" },
    ksa: { type: "string", value: "NAME", help: "Kubernetes service account of the workload (default)" },
    "max-streams": { type: "string", value: "N", help: "requests at once in a tunnel (the service's concurrency)" },
    "max-connection": {
      type: "string",
      value: "DURATION",
      help: "how long a client uses a connection (four fifths of the request timeout)",
    },
    "gate-ip": { type: "string", value: "ADDRESS", help: "address of the gate (that of Service internal-hgate)" },
    "gate-account": {
      type: "string",
      value: "EMAIL",
      help: "Google account of the gate (the one that its ServiceAccount is linked to)",
    },
    "gate-namespace": { type: "string", value: "NAMESPACE", help: `namespace of the gate (${GATE_NAMESPACE})` },
    "no-invoker": { type: "boolean", help: "do not give the gate's account roles/run.invoker" },
    "http-route": { type: "boolean", help: "share requests out by HTTPRoutes, not by a VirtualService" },
    "cluster-domain": { type: "string", value: "DOMAIN", help: "DNS domain of the cluster (cluster.local)" },
  },
  more: `Flags are the whole wish: what is left out follows Cloud Run, also where a former run was told otherwise.
  register-service web --namespace shop
  register-service web --namespace shop --region us-central1=75 --region europe-west1=25`,
  async plan(args, context, timing) {
    const [name = ""] = args.words;
    return await registerService(
      {
        name,
        namespace: args.text("namespace") ?? await context.namespace(),
        service: args.text("service"),
        regions: readRegions(args.all("region")),
        ports: readPorts(args.all("port")),
        urls: args.all("url"),
        audience: args.text("audience"),
        workload: args.text("workload"),
        serviceAccount: args.text("ksa"),
        maxStreams: args.number("max-streams", { least: 1, most: 1_000_000 }),
        maxConnectionMs: args.durationMs("max-connection"),
        gateIp: args.text("gate-ip"),
        gateAccount: args.text("gate-account"),
        gateNamespace: args.text("gate-namespace") ?? GATE_NAMESPACE,
        invoker: !args.is("no-invoker"),
        httpRoute: args.is("http-route"),
        clusterDomain: args.text("cluster-domain") ?? "cluster.local",
      },
      context,
      timing,
    );
  },
};
