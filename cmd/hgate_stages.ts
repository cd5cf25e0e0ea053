/** The stages of `hgate`, each one function; `hgate.ts` puts them in a line. */
import { Problem, reasonOf, UsageError } from "../lib/base/errors.ts";
import { findProgram } from "../lib/base/find_program.ts";
import type { Fetch } from "../lib/base/http.ts";
import { logger } from "../lib/base/log.ts";
import { untilAborted } from "../lib/base/on_abort.ts";
import {
  type Controller,
  embeddedGate,
  envoyGate,
  envoyGateBeside,
  type Gate,
  type GateEngine,
  type GateStatus,
  GateTokens,
  type MeshFacts,
  readMeshFacts,
  startController,
} from "../lib/gate/mod.ts";
import {
  cloudRun,
  findCredentials,
  gcloudDirectory,
  type GoogleCredentials,
  type IdTokenSource,
  MetadataServer,
} from "../lib/gcp/mod.ts";
import { inClusterAccess, KubeClient, readKubeconfig } from "../lib/kube/mod.ts";
import { type HgateSettings, meetingPlace } from "./hgate_settings.ts";
import type { RoutesInForce } from "./routes_in_force.ts";
import type { Signals } from "./signals.ts";

const log = logger("hgate");

/** The outside world of a run of hgate. */
export interface HgateOutside {
  environment: Readonly<Record<string, string>>;
  fetch?: Fetch | undefined;
}

/** What runs so far, for the port that tells of it. */
export interface Running {
  isEnding: () => boolean;
  tokens?: GateTokens;
  gate?: OpenGate;
  inForce?: RoutesInForce;
  controller?: Controller;
}

export type OpenGate = Gate & { engine: string };

/** Access to the cluster and the namespace in it. @throws {Problem} neither a pod nor a kubeconfig */
export async function clusterOf(settings: HgateSettings, { environment, fetch }: HgateOutside) {
  const pod = settings.kubeconfig ? undefined : await inClusterAccess(environment);
  const path = settings.kubeconfig ?? (environment["HOME"] && `${environment["HOME"]}/.kube/config`);
  if (!pod && !path) {
    throw new Problem({
      tried: "find the cluster to serve",
      got: "no pod's account, no KUBECONFIG and no HOME",
      fix: "run it in a pod (manifests/hgate), or set KUBECONFIG",
    });
  }
  const access = pod?.access ?? (await readKubeconfig(path!, { context: settings.context, environment })).access;
  const kube = new KubeClient(access, { fetch });
  return {
    kube,
    namespace: settings.namespace ?? pod?.namespace ?? "istio-system",
    [Symbol.dispose]: () => kube[Symbol.dispose](),
  };
}

/** Google's credentials, and what the settings and the metadata server say of the cluster. */
export async function googleOf(
  settings: HgateSettings,
  { environment, fetch }: HgateOutside,
): Promise<{ credentials: GoogleCredentials & IdTokenSource; facts: MeshFacts }> {
  const metadata = new MetadataServer({ host: environment["GCE_METADATA_HOST"], fetch });
  const [credentials, facts] = await Promise.all([
    findCredentials({
      file: settings.googleCredentials,
      gcloudDirectory: gcloudDirectory(environment),
      metadata,
      fetch,
    }),
    readMeshFacts(settings, metadata).catch((error) => {
      log.warn(`mesh-env gets no facts of the metadata server: ${reasonOf(error)}`);
      return settings;
    }),
  ]);
  return { credentials, facts };
}

export function tokensOf({ credentials }: { credentials: IdTokenSource }): GateTokens {
  return new GateTokens({ source: credentials });
}

/** Opens the ports, by Envoy where there is one. */
export async function openGate(
  settings: HgateSettings,
  tokens: GateTokens,
  { environment }: HgateOutside,
): Promise<OpenGate> {
  const engine = await engineOf(settings, environment);
  const gate = await engine.serve({
    ports: {
      tunnels: settings.tunnelPort,
      istiod: settings.istiodPort,
      ...(settings.servicePort === 0 ? {} : { services: settings.servicePort }),
    },
    tokens,
    maxTunnels: settings.maxTunnels,
    workers: settings.workers ?? Math.max(1, Math.min(4, Math.floor(navigator.hardwareConcurrency / 2))),
    ...(settings.frontEndRoots ? { frontEndRoots: await rootsIn(settings.frontEndRoots) } : {}),
  });
  return Object.assign(gate, { engine: engine.name });
}

async function engineOf(settings: HgateSettings, environment: HgateOutside["environment"]): Promise<GateEngine> {
  const { engine, envoy, envoyDirectory } = settings;
  if (engine === "embedded") return embeddedGate;
  if (envoyDirectory) return envoyGateBeside(meetingPlace(envoyDirectory));
  try {
    return envoyGate(
      await findProgram("envoy", {
        given: envoy,
        variable: "HGATE_ENVOY",
        path: environment["PATH"],
        fix: "set HGATE_ENVOY to its path, or HGATE_ENGINE=embedded",
      }),
    );
  } catch (error) {
    if (engine === "envoy" || envoy || !(error instanceof Problem)) throw error;
    log.info("no Envoy is found: hgate carries the streams itself");
    return embeddedGate;
  }
}

async function rootsIn(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new UsageError({ tried: `read HGATE_FRONT_END_ROOTS ${path}`, got: reasonOf(error), fix: "name a PEM file" });
  }
}

/** Routes from now on as the cluster has them; the replica that leads writes mesh-env and registrations. */
export function follow(with_: {
  settings: HgateSettings;
  cluster: { kube: KubeClient; namespace: string };
  google: Awaited<ReturnType<typeof googleOf>>;
  outside: HgateOutside;
  inForce: RoutesInForce;
}): Controller {
  const { settings, cluster, google, outside, inForce } = with_;
  const endpoint = outside.environment["CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN"];
  return startController({
    ...cluster,
    identity: settings.podName ?? Deno.hostname(),
    clusterDomain: settings.clusterDomain,
    frontEndHosts: listOf(settings.frontEndHosts),
    vouched: vouchedBy(settings.audiences),
    istiod: istiodOf(settings),
    passthrough: settings.servicePort !== 0,
    facts: settings.meshEnv ? google.facts : undefined,
    cloudRun: settings.register
      ? cloudRun({ credentials: google.credentials, endpoint, fetch: outside.fetch })
      : undefined,
    onRoutes: (routes) => inForce.take(routes),
  });
}

/** @throws {UsageError} `HGATE_ISTIOD` is no host:port */
export function istiodOf({ istiod, istiodNames }: Pick<HgateSettings, "istiod" | "istiodNames">) {
  const [, host, port] = /^(?:\[?([^[\]]+)\]?):(\d{1,5})$/.exec(istiod) ?? [];
  if (!host || Number(port) > 65_535) {
    throw new UsageError({ tried: "read HGATE_ISTIOD", got: `"${istiod}"`, fix: "give host:port" });
  }
  return { host, port: Number(port), names: listOf(istiodNames) };
}

/** `HOST=AUDIENCE,…`: an audience may hold `=` itself. @throws {UsageError} an entry without one */
export function vouchedBy(text: string): (host: string, audience: string) => boolean {
  const pairs = new Set(listOf(text));
  const wrong = [...pairs].find((pair) => !/^[^=]+=./.test(pair));
  if (wrong) throw new UsageError({ tried: "read HGATE_AUDIENCES", got: `"${wrong}"`, fix: "give HOST=AUDIENCE,…" });
  return (host, audience) => pairs.has(`${host}=${audience}`);
}

function listOf(text: string): string[] {
  return text.split(",").map((word) => word.trim()).filter((word) => word !== "");
}

/** What this replica says of itself. */
export async function statusOf(running: Running): Promise<GateStatus> {
  const { gate, inForce, controller, tokens } = running;
  return {
    notReady: notReady(running),
    engine: gate?.engine ?? "none yet",
    routes: inForce?.routes ?? { tunnels: [], istiod: [] },
    problems: [
      ...controller?.problems() ?? [],
      ...(inForce?.problem ? [{ object: "the data plane", problem: inForce.problem }] : []),
    ],
    clusterHeardAt: controller?.clusterHeardAt(),
    isLeader: controller?.isLeader() ?? false,
    stats: await gate?.stats().catch(() => undefined),
    tokenFetches: tokens?.stats().fetches ?? { ok: 0, failed: 0 },
  };
}

function notReady({ isEnding, gate, inForce, controller }: Running): string | undefined {
  if (isEnding()) return "hgate is ending";
  if (!gate) return "the data plane is not open";
  if (inForce?.at === undefined) return `no routes yet${controller?.trouble() ? `: ${controller.trouble()}` : ""}`;
  return undefined;
}

/** Until a signal, or the end of the data plane. */
export async function untilEnd(gate: Gate, { first }: Signals): Promise<number> {
  const signalled = untilAborted(first).then(() => 0);
  const lost = gate.ended.then(() => 0, (error) => {
    log.error(`the data plane is lost: ${reasonOf(error)}`);
    return 1;
  });
  return await Promise.race([signalled, lost]);
}
