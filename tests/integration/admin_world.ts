/**
 * What an administrator's commands talk to, running and in agreement: the Google APIs around one project, a cluster with Istio and the
 * gate's Services, and a person who is signed in by gcloud. Commands are run in process ({@link runCommand}), by the network or without it,
 * or as a child process ({@link startAdmin}).
 */
import type { AdminCommand } from "../../cmd/admin_command.ts";
import { flagsOf, parseAdminArguments } from "../../cmd/admin_arguments.ts";
import { adminContext, type Outcome, runPlan } from "../../lib/admin/mod.ts";
import type { Fetch } from "../../lib/base/http.ts";
import { AccessTokens } from "../emulators/access_tokens.ts";
import { type CertificateAuthority, type CertifiedKey, createAuthority } from "../emulators/certificates.ts";
import { type CloudRunEmulator, startCloudRun } from "../emulators/cloud_run.ts";
import { gkeCluster, type GkeEmulator, startGke } from "../emulators/gke.ts";
import type { HttpServer } from "../emulators/http_server.ts";
import type { EmulatedPolicy } from "../emulators/iam_policy.ts";
import { type IamEmulator, startIam } from "../emulators/iam.ts";
import { createSigner, type TokenSigner } from "../emulators/json_web_token.ts";
import { type KubernetesEmulator, startKubernetes } from "../emulators/kubernetes.ts";
import { populate } from "../emulators/kubernetes_namespaces.ts";
import { type ResourceManagerEmulator, startResourceManager } from "../emulators/resource_manager.ts";
import { type ServiceUsageEmulator, startServiceUsage } from "../emulators/service_usage.ts";
import { startTokenEndpoint, type TokenEndpointEmulator } from "../emulators/token_endpoint.ts";
import { type KrunProcess, startKrun } from "./krun_process.ts";

/** Of every world. */
export const PROJECT = "demo-project";
export const PROJECT_NUMBER = "1234567890";
export const REGION = "us-central1";
export const CLUSTER = "istio-demo";
/** Who runs the commands: may do all, in the project and in the cluster. */
export const ADMIN = "admin@example.com";
/** Internal address of the gate. */
export const GATE_ADDRESS = "10.0.0.9";
export const GATE_ACCOUNT = `hgate@${PROJECT}.iam.gserviceaccount.com`;

export interface AdminWorld extends AsyncDisposable {
  accessTokens: AccessTokens;
  /** Google's key for ID tokens. */
  signer: TokenSigner;
  tokenEndpoint: TokenEndpointEmulator;
  iam: IamEmulator;
  resourceManager: ResourceManagerEmulator;
  serviceUsage: ServiceUsageEmulator;
  cloudRun: CloudRunEmulator;
  gke: GkeEmulator;
  kubernetes: KubernetesEmulator;
  /** All that answer, for faults and logs. */
  servers: Readonly<Record<string, HttpServer>>;
  /** The policy of the project. */
  policy: EmulatedPolicy;
  /** A directory of its own; HOME, and gcloud's. */
  directory: string;
  /** Leads a command here: gcloud's configuration with project and region, a person's credentials, KUBECONFIG, endpoint overrides. */
  environment: Record<string, string>;
  /** To the emulators without the network, to all else as usual. */
  fetch: Fetch;
  /** Puts an object into the cluster, as a person's kubectl would. */
  put(resource: string, object: Record<string, unknown>, manager?: string): void;
}

/** Made once: each takes its time. */
const made = createAuthority("cluster-ca");
let serverKey: CertifiedKey | undefined;
const authority: CertificateAuthority = { ...made, issue: (request) => serverKey ??= made.issue(request) };
let signer: TokenSigner | undefined;

/** @param cloudRunOptions who starts what is deployed, and what leads requests there */
export async function startAdminWorld(
  cloudRunOptions: Pick<Parameters<typeof startCloudRun>[0], "runner" | "frontEnd"> = {},
): Promise<AdminWorld> {
  await using started = new AsyncDisposableStack();
  signer ??= createSigner();
  const directory = await Deno.makeTempDir();
  started.defer(() => Deno.remove(directory, { recursive: true }));
  const accessTokens = new AccessTokens();
  const tokenEndpoint = started.use(
    await startTokenEndpoint({ accessTokens, signer, users: { "refresh-token-of-admin": ADMIN } }),
  );
  const iam = started.use(await startIam({ accessTokens, projectId: PROJECT }));
  const { exists } = iam;
  const resourceManager = started.use(
    await startResourceManager({
      accessTokens,
      exists,
      projects: [{ name: `projects/${PROJECT_NUMBER}`, projectId: PROJECT, state: "ACTIVE", labels: {} }],
    }),
  );
  const serviceUsage = started.use(
    await startServiceUsage({
      accessTokens,
      projectId: PROJECT,
      projectNumber: PROJECT_NUMBER,
      enabled: new Set(
        ["container", "run", "iam", "iamcredentials", "cloudresourcemanager"].map((name) => `${name}.googleapis.com`),
      ),
    }),
  );
  const cloudRun = started.use(
    await startCloudRun({ accessTokens, projectId: PROJECT, regions: [REGION], ...cloudRunOptions }),
  );
  const kubernetes = started.use(
    await startKubernetes({
      authority,
      signer,
      issuer: `https://container.googleapis.com/v1/projects/${PROJECT}/locations/${REGION}/clusters/${CLUSTER}`,
      userOfToken: (token) => accessTokens.ownerOf(token),
      tokens: { "token-of-admin": ADMIN },
      permissions: [{ subject: ADMIN }],
      hasNamespaces: true,
    }),
  );
  const gke = started.use(
    await startGke({
      projectId: PROJECT,
      projectNumber: PROJECT_NUMBER,
      accessTokens,
      clusters: [gkeCluster({
        name: CLUSTER,
        location: REGION,
        endpoint: kubernetes.host,
        caPem: authority.certificatePem,
        projectId: PROJECT,
        fields: { resourceLabels: { mesh_id: `proj-${PROJECT_NUMBER}` } },
      })],
    }),
  );
  iam.add("hgate");
  fill(kubernetes);
  const servers = { tokenEndpoint, iam, resourceManager, serviceUsage, cloudRun, gke, kubernetes };
  const environment = await signIn(directory, tokenEndpoint, kubernetes);
  for (
    const [name, { origin }] of Object.entries({
      iam,
      container: gke,
      run: cloudRun,
      serviceUsage,
      cloudResourceManager: resourceManager,
    })
  ) {
    environment[`CLOUDSDK_API_ENDPOINT_OVERRIDES_${name.toUpperCase()}`] = `${origin}/`;
  }
  const byOrigin = new Map<string, HttpServer>(Object.values(servers).map((server) => [server.origin, server]));
  const running = started.move();
  return {
    ...servers,
    signer,
    accessTokens,
    servers,
    directory,
    environment,
    get policy() {
      return resourceManager.policyOf(PROJECT)!;
    },
    fetch: (url, { client, ...init }) => {
      const server = byOrigin.get(new URL(url).origin);
      return server ? server.fetch(url, init) : fetch(url, { ...init, ...(client ? { client } : {}) });
    },
    put: (resource, object, manager = "kubectl") => void kubernetes.objects.put(resource, object, manager),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** What a cluster with Istio and the gate has, as far as commands look at it. */
function fill({ objects }: KubernetesEmulator): void {
  const put = (resource: string, kind: string, metadata: object, more: object = {}) =>
    objects.put(resource, { apiVersion: "v1", kind, metadata, ...more }, "kubectl");
  for (const name of ["default", "kube-system", "istio-system"]) {
    put("namespaces", "Namespace", { name, labels: { "kubernetes.io/metadata.name": name } }, {
      status: { phase: "Active" },
    });
    populate(objects, name);
  }
  const namespace = "istio-system";
  put("configmaps", "ConfigMap", { name: "istio-ca-root-cert", namespace }, { data: { "root-cert.pem": "ROOT" } });
  put("configmaps", "ConfigMap", { name: "mesh-env", namespace }, {
    data: {
      PROJECT_ID: PROJECT,
      PROJECT_NUMBER,
      CLUSTER_NAME: CLUSTER,
      CLUSTER_LOCATION: REGION,
      IMCON_ADDR: GATE_ADDRESS,
    },
  });
  put("services", "Service", { name: "internal-hgate", namespace }, {
    spec: { type: "LoadBalancer" },
    status: { loadBalancer: { ingress: [{ ip: GATE_ADDRESS }] } },
  });
  const annotations = { "iam.gke.io/gcp-service-account": GATE_ACCOUNT };
  put("serviceaccounts", "ServiceAccount", { name: "hgate", namespace, annotations });
}

/** What `gcloud auth application-default login` and `gcloud container clusters get-credentials` leave behind. */
async function signIn(
  directory: string,
  tokenEndpoint: TokenEndpointEmulator,
  kubernetes: KubernetesEmulator,
): Promise<Record<string, string>> {
  const gcloud = `${directory}/gcloud`;
  const kubeconfig = `${directory}/kubeconfig`;
  await Deno.mkdir(`${gcloud}/configurations`, { recursive: true });
  const credentials = {
    type: "authorized_user",
    client_id: "client-of-gcloud",
    client_secret: "secret-of-gcloud",
    refresh_token: "refresh-token-of-admin",
    token_uri: tokenEndpoint.url,
  };
  await Promise.all([
    Deno.writeTextFile(`${gcloud}/application_default_credentials.json`, JSON.stringify(credentials)),
    Deno.writeTextFile(
      `${gcloud}/configurations/config_default`,
      `[core]\nproject = ${PROJECT}\n[run]\nregion = ${REGION}\n`,
    ),
    Deno.writeTextFile(kubeconfig, kubernetes.kubeconfig({ token: "token-of-admin" })),
  ]);
  return { HOME: directory, CLOUDSDK_CONFIG: gcloud, KUBECONFIG: kubeconfig };
}

export interface RunCommandOptions {
  signal?: AbortSignal;
  /** @default the world's own, without the network */
  fetch?: Fetch;
  isDryRun?: boolean;
  /** In place of the world's. */
  environment?: Record<string, string>;
  /** @default 5 s */
  timeoutMs?: number;
  /** Between two looks at what is waited for. @default 10 */
  everyMs?: number;
}

/** Runs a command that changes something, in this process, agreed to. @throws {Problem} while it plans  @returns what became of each step */
export async function runCommand(
  world: AdminWorld,
  command: AdminCommand,
  args: readonly string[],
  options: RunCommandOptions = {},
): Promise<Outcome> {
  const { signal = new AbortController().signal, isDryRun = false, timeoutMs = 5_000, everyMs = 10 } = options;
  const parsed = parseAdminArguments({ ...command, flags: flagsOf(command) }, args);
  const [project, region, cluster, location, context] = ["project", "region", "cluster", "location", "context"]
    .map((flag) => parsed.text(flag));
  using found = adminContext({ project, region, cluster, location, context }, {
    environment: options.environment ?? world.environment,
    fetch: options.fetch ?? world.fetch,
  });
  const plan = await command.plan(parsed, found, { signal, timeoutMs, everyMs, progress: () => {} });
  return await runPlan(plan, {
    command: [command.name, ...args].join(" "),
    isDryRun,
    signal,
    witness: {
      planned: () => {},
      confirm: () => Promise.resolve(true),
      begin: () => ({ progress: () => {}, end: () => {} }),
    },
  });
}

/** A command as a child process, for signals, exit codes and what it prints. */
export function startAdmin(world: AdminWorld, command: string, args: readonly string[]): KrunProcess {
  return startKrun(args, { command, environment: world.environment });
}
