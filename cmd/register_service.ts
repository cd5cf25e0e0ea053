import { readRegions, registerService } from "../lib/admin/mod.ts";
import type { AdminCommand } from "./admin_command.ts";
import { ADMIN_NAMES } from "./admin_names.ts";
import { GATE_FLAGS, REGISTRATION_FLAGS, registrationOf } from "./run_flags.ts";

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
    weight: {
      type: "string",
      multiple: true,
      value: "N",
      help: "the same apart: one for each --region, in their order",
    },
    port: { type: "string", multiple: true, value: "NAME=NUMBER", help: "port of the Service (http=8080)" },
    url: { type: "string", multiple: true, value: "[REGION=]URL", help: "custom domain (the URL that Cloud Run gave)" },
    audience: { type: "string", help: "audience of ID tokens (one that the service takes for the URL)" },
    workload: { type: "string", help: "what the workload calls itself, its label app (its name in Cloud Run)" },
    "max-streams": { type: "string", value: "N", help: "requests at once in a tunnel (the service's concurrency)" },
    "max-connection": {
      type: "string",
      value: "DURATION",
      help: "how long a client uses a connection (four fifths of the request timeout)",
    },
    ...REGISTRATION_FLAGS,
    "http-route": { type: "boolean", help: "share requests out by HTTPRoutes (by a VirtualService)" },
    ...GATE_FLAGS,
  },
  more: "Flags are the whole wish: what is left out follows Cloud Run, also where a former run was told otherwise.",
  examples: [
    "register-service web --namespace shop",
    "register-service web --namespace shop --region us-central1=75 --region europe-west1=25",
  ],
  async plan(args, context, timing) {
    const [name = ""] = args.words;
    return await registerService(
      {
        name,
        namespace: args.text("namespace") ?? await context.namespace(),
        service: args.text("service"),
        regions: readRegions(args.all("region"), args.all("weight")),
        urls: args.all("url"),
        audience: args.text("audience"),
        workload: args.text("workload"),
        maxStreams: args.number("max-streams", { least: 1, most: 1_000_000 }),
        maxConnectionMs: args.durationMs("max-connection"),
        httpRoute: args.is("http-route"),
        ...registrationOf(args),
      },
      context,
      timing,
    );
  },
};
