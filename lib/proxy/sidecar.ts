import { makeDirectory } from "../base/atomic_file.ts";
import { UsageError } from "../base/errors.ts";
import type { InstanceFacts, Settings } from "../settings/mod.ts";
import type { ControlPlane } from "../mesh/mod.ts";
import { type Paths, PROXY_USER } from "../identity/mod.ts";
import { envoyKeepsTunnelEnds, envoyTunnelOverride, type TunnelOptions } from "../tunnel/mod.ts";
import type { RunningProxy } from "./engine.ts";
import { envoyVersion } from "./envoy_version.ts";
import { canBind } from "../base/can_bind.ts";
import { findProgram } from "../base/find_program.ts";
import { instanceIp } from "./instance_ip.ts";
import { type BootstrapResources, startPilotAgent } from "./pilot_agent.ts";
import {
  parseExtraPorts,
  parseForwards,
  watchWhitebox,
  whiteboxAppEnvironment,
  whiteboxBootstrap,
  type WhiteboxWatch,
  writeInitialFiles,
} from "./whitebox/mod.ts";

export interface SidecarOptions {
  settings: Settings;
  controlPlane: ControlPlane;
  paths: Paths;
  facts: InstanceFacts | undefined;
  environment: Readonly<Record<string, string>>;
  /** Aborted when its end is not to be waited for. */
  hurry?: AbortSignal | undefined;
  /** Given where Envoy is to serve the tunnel's end too. */
  tunnel?: TunnelOptions | undefined;
}

/**
 * The mesh's proxy: pilot-agent with Envoy, with the proxy of whitebox mode unless capture is off. Returns when Envoy has its configuration
 * from istiod; whitebox mode follows the mesh from the first call of `appEnvironment` on, which waits until it works.
 * @throws {Problem} no pilot-agent or Envoy, or they do not get ready
 */
export async function startSidecar(options: SidecarOptions, signal: AbortSignal): Promise<RunningProxy> {
  const { settings, paths, environment } = options;
  const path = environment["PATH"];
  const fix =
    "build the image on Istio's proxy image (samples/golden/Dockerfile), or run without a mesh: --proxy=plain";
  const [pilotAgent, envoy] = await Promise.all([
    findProgram("pilot-agent", { given: settings.pilotAgent, variable: "KRUN_PILOT_AGENT", path, fix }),
    findProgram("envoy", { given: settings.envoy, variable: "KRUN_ENVOY", path, fix }),
  ]);
  if (options.tunnel) await requireWholeTunnels(envoy);
  // With iptables too: MESH_FORWARD is its, and the app's traffic is captured only once Envoy is ready.
  const whitebox = settings.capture === "none" && !settings.forwards ? undefined : whiteboxPlan(settings, paths);
  const parts = [whitebox?.bootstrap, options.tunnel && { static_resources: envoyTunnelOverride(options.tunnel) }]
    .filter((part) => part !== undefined);
  await whitebox?.writeInitialFiles();

  const agent = await startPilotAgent({
    ...options,
    pilotAgent,
    envoy,
    path,
    instanceIp: settings.instanceIp ?? instanceIp(),
    concurrency: navigator.hardwareConcurrency,
    overrideFile: `${paths.proxyConfig}/krun-bootstrap.json`,
    bootstrap: parts.length > 0 ? merge(parts) : undefined,
  }, signal);
  if (!whitebox) return agent;
  let watch: WhiteboxWatch | undefined;
  return {
    ...agent,
    async appEnvironment() {
      watch ??= whitebox.watch();
      await watch.ready;
      return whiteboxAppEnvironment(environment, settings.proxyPort);
    },
    async [Symbol.asyncDispose]() {
      await watch?.[Symbol.asyncDispose]();
      await agent[Symbol.asyncDispose]();
    },
  };
}

/** Everything of whitebox mode that is known before Envoy starts. */
function whiteboxPlan(settings: Settings, paths: Paths) {
  const options = {
    directory: `${paths.proxyConfig}/whitebox`,
    forwards: settings.forwards ? parseForwards(settings.forwards, [settings.appPort, settings.tunnelPort]) : [],
    namespace: settings.namespace,
    domain: "cluster.local",
  };
  const extraPorts = parseExtraPorts(settings.whiteboxPorts ?? "");
  return {
    bootstrap: whiteboxBootstrap({ ...options, port: settings.proxyPort, ipv6: canBind("::1") }),
    async writeInitialFiles() {
      await makeDirectory(options.directory, PROXY_USER);
      await writeInitialFiles(options);
    },
    watch: () => watchWhitebox({ ...options, extraPorts }),
  };
}

/** Envoys up to now drop the end of a stream: `--tunnel=envoy` needs one that is known not to. */
async function requireWholeTunnels(envoy: string): Promise<void> {
  const { version } = await envoyVersion(envoy);
  if (envoyKeepsTunnelEnds(version)) return;
  throw new UsageError({
    tried: `let Envoy ${version} serve the tunnel's end (--tunnel=envoy)`,
    got: "this version loses data when a server ends a stream first (envoyproxy/envoy#28329)",
    fix: "leave --tunnel at krun",
  });
}

function merge(parts: readonly BootstrapResources[]): BootstrapResources {
  return {
    static_resources: {
      listeners: parts.flatMap((part) => part.static_resources.listeners),
      clusters: parts.flatMap((part) => part.static_resources.clusters),
    },
  };
}
