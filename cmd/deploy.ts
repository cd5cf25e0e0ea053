import { deploy, deployAsCommands, type DeploySettings, readPorts, shellText } from "../lib/admin/mod.ts";
import type { AdminArguments } from "./admin_arguments.ts";
import type { AdminCommand } from "./admin_command.ts";
import { ADMIN_NAMES } from "./admin_names.ts";
import { variablesOf, VPC_FLAGS, vpcOf } from "./run_flags.ts";

/** Cloud Run's limits: https://cloud.google.com/run/quotas */
const CONCURRENCY = { least: 1, most: 1_000 };
const INSTANCES = { least: 0, most: 10_000 };

/** `deploy`: flags → settings of lib/admin. */
export const command: AdminCommand = {
  name: "deploy",
  summary: ADMIN_NAMES["deploy"],
  words: ["NAME"],
  flags: {
    image: { type: "string", help: "image of the app, built on the golden image (samples/fortio)" },
    namespace: { type: "string", help: "namespace of the mesh (NS of --service-account k8s-NS@…)" },
    "service-account": {
      type: "string",
      value: "EMAIL",
      help: "Google account that it runs as (the one it has, or k8s-NAMESPACE@PROJECT…)",
    },
    ksa: { type: "string", value: "NAME", help: "Kubernetes service account whose identity it gets (default)" },
    ...VPC_FLAGS,
    env: { type: "string", multiple: true, value: "NAME=VALUE", help: "variable of krun and the app" },
    port: { type: "string", multiple: true, value: "NAME=NUMBER", help: "krun's PORT_NAME, the app's is http (8080)" },
    concurrency: { type: "string", value: "N", help: "requests at once that an instance takes" },
    "request-timeout": { type: "string", value: "DURATION", help: "of a request, and so of a tunnel; 60m at most" },
    cpu: { type: "string", help: "processors of an instance, e.g. 2" },
    memory: { type: "string", help: "memory of an instance, e.g. 1Gi" },
    "min-instances": { type: "string", value: "N", help: "instances that are always there" },
    "max-instances": { type: "string", value: "N", help: "instances at most" },
    gen1: { type: "boolean", help: "the first generation, without iptables (the second)" },
    "allow-unauthenticated": { type: "boolean", help: "everybody may call it" },
    print: { type: "boolean", help: "print the same as a gcloud command and as a request of the API, do nothing" },
  },
  more:
    "HTTP/2 on port 15009, CPU boost and a startup probe are set; of a service that is there all else stays as it is.",
  examples: [
    "deploy web --image REGION-docker.pkg.dev/P/R/web-mesh:1 --namespace shop --network default --subnet default",
  ],
  async text(args, context) {
    if (!args.is("print")) return undefined;
    const { gcloud, rest } = await deployAsCommands(settingsOf(args), context);
    if ((args.text("output") ?? "text") !== "text") return { gcloud, rest };
    return `${shellText(gcloud)}\n\n${rest.method} ${rest.url}\n${JSON.stringify(rest.body, null, 2)}\n`;
  },
  plan: (args, context, timing) => deploy(settingsOf(args), context, timing),
};

function settingsOf(args: AdminArguments): DeploySettings {
  const [name = ""] = args.words;
  return {
    name,
    image: args.required("image"),
    namespace: args.text("namespace"),
    serviceAccount: args.text("service-account"),
    kubeAccount: args.text("ksa"),
    vpc: vpcOf(args),
    env: variablesOf(args),
    ports: readPorts(args.all("port")) ?? [],
    concurrency: args.number("concurrency", CONCURRENCY),
    timeoutMs: args.durationMs("request-timeout"),
    cpu: args.text("cpu"),
    memory: args.text("memory"),
    minInstances: args.number("min-instances", INSTANCES),
    maxInstances: args.number("max-instances", INSTANCES),
    isGen1: args.is("gen1"),
    isOpen: args.is("allow-unauthenticated") || undefined,
  };
}
