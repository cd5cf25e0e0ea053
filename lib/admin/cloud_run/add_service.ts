import { Problem, UsageError } from "../../base/errors.ts";
import { type IdTokenSource, type RunResource, type RunServiceStore, shortName } from "../../gcp/mod.ts";
import { isHttp } from "../../registration/mod.ts";
import { namespaceOfAccount } from "../../settings/mod.ts";
import type { AdminContext } from "../context.ts";
import { registerService } from "../register/register_service.ts";
import type { RegisterSettings } from "../register/settings.ts";
import type { Plan, Step } from "../step.ts";
import type { Timing } from "../timing.ts";
import { addChange, changed } from "./change.ts";
import { shifted, withKrun } from "./goals.ts";
import { type Capture, CAPTURES, TUNNEL_PORT } from "./krun_container.ts";
import { meshAnswers } from "./mesh_check.ts";
import { appOf, krunOf, type MeshOptions } from "./mesh_template.ts";
import { existing, namespaceFor, storeOf, vpcAccessOf, type VpcSettings } from "./place.ts";
import { portOf } from "./app_container.ts";
import { revisionReady } from "./ready.ts";
import { formerOf, shiftOf } from "./record.ts";
import { elsewhere, trafficOf } from "./traffic.ts";
import { answersByTag } from "./url_check.ts";

/** What a person asks `add-service` for; what is left out is as it is, or as a former run made it. */
export interface AddServiceSettings {
  /** Of the Cloud Run service. */
  name: string;
  namespace?: string | undefined;
  /** The golden image. @default the environment's KRUN_IMAGE, or the one that is there */
  image?: string | undefined;
  tag: string;
  capture?: Capture | undefined;
  env: Readonly<Record<string, string>>;
  cpu?: string | undefined;
  memory?: string | undefined;
  serviceAccount?: string | undefined;
  vpc: VpcSettings;
  /** Whether requests are led to the new revision, and the service is registered. */
  shift: boolean;
  /** Whether it is asked before and after. */
  verify: boolean;
  registration: Omit<RegisterSettings, "namespace" | "service" | "regions" | "urls">;
  /** Image of the pod that asks from the mesh. @default the gate's */
  checkImage?: string | undefined;
}

const GEN1 = "EXECUTION_ENVIRONMENT_GEN1";
const DEFAULT_LIMITS = { cpu: "1", memory: "512Mi" };

/**
 * What puts a Cloud Run service into the mesh as it is: what its proxy is told by, a revision with krun in front, asked by its tag, then
 * the requests, then the rest of the registration, then a request from the mesh.
 * @throws {Problem} its shape or its state, or what it needs of the cluster is not there
 */
export async function addService(settings: AddServiceSettings, context: AdminContext, timing: Timing): Promise<Plan> {
  const store = await storeOf(context, settings.name);
  const service = await existing(store, timing.signal);
  const mesh = meshOptions(settings, service, store, context);
  const options = { mesh, tag: settings.tag };
  const coming = addChange(service, options);
  const { timeoutMs, everyMs } = timing;
  const patience = { timeoutMs, pollMs: everyMs };
  const tokens = () => context.credentials();
  if (settings.verify) await requireTokens(service, tokens, timing.signal);
  const tag = formerOf(service)?.tag ?? settings.tag;
  const { namespace } = mesh;
  const app = appOf(service.template ?? {}, `look at ${store.of}`);
  const appPort = Number(
    krunOf(service.template ?? {})?.env?.find(({ name }) => name === "PORT_http")?.value ?? portOf(app),
  );
  const told = { serviceAccount: settings.registration.serviceAccount ?? kubeAccountOf(service) };
  const soon = { port: { number: TUNNEL_PORT, isHttp2: true }, appPort, namespace };
  const registration = await registerService(
    {
      ...settings.registration,
      ...told,
      namespace,
      service: settings.name,
      regions: [],
      urls: [],
      soon,
      asBefore: true,
    },
    context,
    timing,
  );
  const isWorkloads = (step: Step) => registration.workload.has(step);
  const { ports } = registration;
  return {
    steps: [
      ...registration.steps.filter(isWorkloads), // by these its Envoy listens for the tunnel that is asked for below
      withKrun(store, options, patience),
      revisionReady(store, patience),
      ...(settings.verify ? [answersByTag(store, { tag, tokens, fetch: context.fetch, timeoutMs, everyMs })] : []),
      ...(settings.shift ? [shifted(store, options, patience)] : []),
      ...(settings.shift ? registration.steps.filter((step) => !isWorkloads(step)) : []),
      ...(settings.shift && settings.verify
        ? [meshAnswers(await context.kube(), {
          name: settings.registration.name,
          namespace,
          port: ports.find(isHttp) ?? ports[0]!,
          gateNamespace: settings.registration.gateNamespace,
          image: settings.checkImage,
          timeoutMs,
          everyMs,
        })]
        : []),
    ],
    warnings: [
      ...shapeWarnings(service, store, mesh),
      ...trafficWarnings(coming ? changed(service, coming) : service),
      ...registration.warnings ?? [],
    ],
    next: [
      ...(settings.shift ? [] : [
        `requests still go where they went; lead them to it and register it: cloud-run-mesh add-service ${settings.name}`,
      ]),
      ...(settings.shift ? registration.next ?? [] : []),
      `take it back: cloud-run-mesh remove-service ${settings.name} --namespace ${namespace}`,
    ],
  };
}

function meshOptions(
  settings: AddServiceSettings,
  service: RunResource,
  store: RunServiceStore,
  { environment }: AdminContext,
): MeshOptions {
  const { template = {} } = service;
  const krun = krunOf(template);
  const told = (wanted: string) => krun?.env?.find(({ name }) => name === wanted)?.value;
  const image = settings.image ?? environment["KRUN_IMAGE"] ?? krun?.image;
  if (!image) {
    throw new UsageError({
      tried: `put ${store.of} into the mesh`,
      got: "no image of krun",
      fix: "--krun-image IMAGE, or KRUN_IMAGE: the golden image, samples/golden/Dockerfile",
    });
  }
  const capture = settings.capture ?? CAPTURES.find((word) => word === told("KRUN_CAPTURE")) ?? "whitebox";
  if (capture === "required" && template.executionEnvironment === GEN1) {
    throw new UsageError({
      tried: `put ${store.of} into the mesh with --capture required`,
      got: "it runs in Cloud Run's first generation, which has no iptables",
      fix: "--capture whitebox",
    });
  }
  const limits = krun?.resources?.limits;
  const { serviceAccount: kubeAccount } = settings.registration;
  return {
    image,
    capture,
    namespace: namespaceFor(service, settings.namespace, settings.serviceAccount),
    env: {
      ...(kubeAccount && kubeAccount !== "default" ? { WORKLOAD_SERVICE_ACCOUNT: kubeAccount } : {}),
      ...settings.env,
    },
    limits: {
      cpu: settings.cpu ?? limits?.["cpu"] ?? DEFAULT_LIMITS.cpu,
      memory: settings.memory ?? limits?.["memory"] ?? DEFAULT_LIMITS.memory,
    },
    serviceAccount: settings.serviceAccount,
    vpcAccess: vpcAccessOf(settings.vpc, store.place),
  };
}

/** Before anything is done: without a token the new revision could not be asked. @throws {Problem} none can be had */
async function requireTokens(
  { uri, customAudiences, invokerIamDisabled, ingress = "INGRESS_TRAFFIC_ALL" }: RunResource,
  tokens: () => Promise<IdTokenSource>,
  signal: AbortSignal,
): Promise<void> {
  const audience = customAudiences?.[0] ?? uri;
  if (!audience || invokerIamDisabled || ingress !== "INGRESS_TRAFFIC_ALL") return;
  try {
    await (await tokens()).idToken(audience, { signal });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { tried, got, fix } = error;
    const otherwise = "--no-verify leaves the requests to the service out";
    throw new Problem({ tried, got, fix: fix ? `${fix}; or ${otherwise}` : otherwise, cause: error });
  }
}

/** As krun is told by a former run. */
function kubeAccountOf({ template = {} }: RunResource): string | undefined {
  return krunOf(template)?.env?.find(({ name }) => name === "WORKLOAD_SERVICE_ACCOUNT")?.value;
}

function shapeWarnings({ template = {} }: RunResource, { of, place }: RunServiceStore, mesh: MeshOptions): string[] {
  const account = mesh.serviceAccount ?? template.serviceAccount;
  const app = krunOf(template) ? undefined : appOf(template, of);
  return [
    ...(template.vpcAccess || mesh.vpcAccess ? [] : [
      `${of} has no way into the VPC, where the gate and the mesh are: --vpc-connector, or --network and --subnet`,
    ]),
    ...(namespaceOfAccount(account) === mesh.namespace ? [] : [
      `its account has to be let into namespace ${mesh.namespace}: cloud-run-mesh setup-namespace ${mesh.namespace} ` +
      `--service-account ${account ?? "EMAIL"} --project ${place.project}`,
    ]),
    ...(app?.ports?.[0]?.name === "h2c"
      ? [
        "its app gets HTTP/2 now; behind krun it does for gRPC and by a port that is called grpc or http2, else HTTP/1.1",
      ]
      : []),
  ];
}

/** What goes elsewhere finds no tunnel there. */
function trafficWarnings(service: RunResource): string[] {
  const shift = shiftOf(service);
  const own = shift ? undefined : shortName(service.latestReadyRevision ?? "");
  const share = elsewhere(shift?.to ?? trafficOf(service.traffic), own);
  return share > 0 && krunOf(service.template ?? {})
    ? [`${share} % of requests go to revisions by name, as before; where those have no krun the mesh's requests fail`]
    : [];
}
