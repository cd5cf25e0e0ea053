import { addService, type Capture, CAPTURES } from "../lib/admin/mod.ts";
import type { AdminCommand } from "./admin_command.ts";
import { ADMIN_NAMES } from "./admin_names.ts";
import { GATE_FLAGS, REGISTRATION_FLAGS, registrationOf, variablesOf, VPC_FLAGS, vpcOf } from "./run_flags.ts";

/** `add-service`: flags → settings of lib/admin. */
export const command: AdminCommand = {
  name: "add-service",
  summary: ADMIN_NAMES["add-service"],
  words: ["NAME"],
  flags: {
    "krun-image": { type: "string", value: "IMAGE", help: "the golden image (KRUN_IMAGE; samples/golden/Dockerfile)" },
    namespace: { type: "string", help: "namespace of the mesh (NS of its account k8s-NS@…)" },
    port: { type: "string", multiple: true, value: "NAME=NUMBER", help: "port of the Service in the mesh (http=8080)" },
    tag: { type: "string", help: "of the URL by which the new revision is asked first (mesh)" },
    capture: {
      type: "string",
      choices: CAPTURES,
      help: "whitebox: proxy variables for the app; auto, required: iptables; none (whitebox)",
    },
    env: { type: "string", multiple: true, value: "NAME=VALUE", help: "further variable of krun" },
    "krun-cpu": { type: "string", value: "CPU", help: "of krun's container (1)" },
    "krun-memory": { type: "string", value: "MEMORY", help: "of krun's container (512Mi)" },
    "service-account": { type: "string", value: "EMAIL", help: "Google account that it runs as (the one it has)" },
    ...VPC_FLAGS,
    "no-shift": { type: "boolean", help: "stop before requests are led to the new revision and it is registered" },
    "no-verify": { type: "boolean", help: "ask neither the new revision nor, from the mesh, the service" },
    ...REGISTRATION_FLAGS,
    "check-image": { type: "string", value: "IMAGE", help: "of the pod that asks from the mesh (the gate's)" },
    ...GATE_FLAGS,
  },
  more: `The app's own container stays as it is, behind krun's. What a flag does not say stays as it is, or as a former
run was told.`,
  examples: [
    "add-service web --namespace shop --krun-image REGION-docker.pkg.dev/P/R/golden:1",
    "remove-service web --namespace shop",
  ],
  plan(args, context, timing) {
    const [name = ""] = args.words;
    return addService(
      {
        name,
        namespace: args.text("namespace"),
        image: args.text("krun-image"),
        tag: args.text("tag") ?? "mesh",
        capture: args.text("capture") as Capture | undefined,
        env: variablesOf(args),
        cpu: args.text("krun-cpu"),
        memory: args.text("krun-memory"),
        serviceAccount: args.text("service-account"),
        vpc: vpcOf(args),
        shift: !args.is("no-shift"),
        verify: !args.is("no-verify"),
        registration: {
          name,
          httpRoute: false,
          ...registrationOf(args),
        },
        checkImage: args.text("check-image"),
      },
      context,
      timing,
    );
  },
};
