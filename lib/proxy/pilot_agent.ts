import { mayActAsOthers } from "../base/privilege.ts";
import { writeAtomically } from "../base/atomic_file.ts";
import { endProcessTree, OutputTail } from "../base/child.ts";
import { spawnWithStreamsOf } from "../base/child_streams.ts";
import { parseDocument } from "../base/document.ts";
import { Problem, reasonOf, UsageError } from "../base/errors.ts";
import { type Note, noteSpawn } from "../base/left_behind.ts";
import { logger } from "../base/log.ts";
import { registerSecret } from "../base/secret.ts";
import { PROXY_USER } from "../identity/mod.ts";
import { SECRET_VARIABLE } from "../settings/mod.ts";
import { agentArguments, agentEnvironment, type AgentOptions, PORTS, proxyConfig } from "./agent_environment.ts";
import { parseAgentLine } from "./agent_log.ts";
import type { RunningProxy } from "./engine.ts";
import { requireFree } from "./require_free.ts";
import { waitReady } from "./wait_ready.ts";

const log = logger("krun", "proxy");
const agentLog = logger("proxy");

/** How long pilot-agent has to end Envoy and itself: with nothing to drain a moment. */
const GRACE_MS = 2_000;

export interface PilotAgentOptions extends Omit<AgentOptions, "bootstrapOverride"> {
  pilotAgent: string;
  /** Listeners and clusters of ours for Envoy's bootstrap; `undefined` for none. */
  bootstrap?: BootstrapResources | undefined;
  /** Aborted when its end is not to be waited for. */
  hurry?: AbortSignal | undefined;
  /** Path of the merged override. */
  overrideFile: string;
}

export interface BootstrapResources {
  static_resources: { listeners: Record<string, unknown>[]; clusters: Record<string, unknown>[] };
}

/**
 * Starts pilot-agent, which starts Envoy, and waits until Envoy has its configuration from istiod.
 * @throws {Problem} it ends or is not ready in time: with its last lines
 */
export async function startPilotAgent(options: PilotAgentOptions, signal: AbortSignal): Promise<RunningProxy> {
  const { settings, paths } = options;
  const bootstrapOverride = options.bootstrap ? options.overrideFile : undefined;
  if (options.bootstrap) {
    await writeAtomically(options.overrideFile, JSON.stringify(options.bootstrap), { owner: PROXY_USER });
  }
  const agent = { ...options, bootstrapOverride };
  const root = mayActAsOthers();
  const args = agentArguments(settings);
  const command = new Deno.Command(options.pilotAgent, {
    args,
    cwd: paths.base,
    clearEnv: true,
    env: { ...agentEnvironment(agent), PROXY_CONFIG: proxyConfig(agent, await parseProxyConfig(settings.proxyConfig)) },
    ...(root ? PROXY_USER : {}),
    detached: true, // a session of its own, by which an Envoy is found whose agent has died
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  requireFree(options.pilotAgent, [PORTS.status, PORTS.admin]);
  const note = noteSpawn(paths.processes, [options.pilotAgent, ...args]);
  const child = spawn(command, options, note);
  let asked = false;
  const output = new OutputTail([child.stdout, child.stderr], (line) => {
    const { level, message } = parseAgentLine(line);
    // its warnings about being ended are no news to who ends it
    agentLog[asked ? "debug" : level === "warning" ? "warn" : level](message);
  });
  const endedEarly = child.status.then(async (status) => {
    await output.settle();
    return `pilot-agent ended with ${status.signal ?? status.code}${output.text() ? `: ${output.text()}` : ""}`;
  });
  const running: RunningProxy = {
    name: `pilot-agent with ${options.envoy}`,
    appEnvironment: () => Promise.resolve({}),
    inboundPort: PORTS.inbound,
    pids: [child.pid],
    ended: new Promise((resolve) => void endedEarly.then((reason) => asked || resolve(reason))),
    drain: drainInbound,
    health: { up: true, restarts: 0 },
    async [Symbol.asyncDispose]() {
      asked = true;
      await endProcessTree(child, GRACE_MS, options.hurry);
      note[Symbol.dispose]();
      await output.settle();
    },
  };
  const started = performance.now();
  const stopWaiting = new AbortController();
  const outcome = await Promise.race([
    waitReady(`http://127.0.0.1:${PORTS.ready}/healthz/ready`, {
      limitMs: settings.proxyReadyMs,
      signal: AbortSignal.any([signal, stopWaiting.signal]),
    }),
    endedEarly,
  ]);
  stopWaiting.abort();
  if (outcome === true) {
    log.info(`proxy ready after ${Math.round(performance.now() - started)} ms`, { pid: child.pid });
    return running;
  }
  await running[Symbol.asyncDispose]();
  signal.throwIfAborted();
  throw new Problem({
    tried: `start ${options.pilotAgent} with control plane ${options.controlPlane.xdsAddress}`,
    got: typeof outcome === "string"
      ? outcome
      : `not ready after ${settings.proxyReadyMs} ms${output.text() ? `; its last lines: ${output.text()}` : ""}`,
    fix: "check that the control plane's address is reachable from here (VPC egress) and its root is CAROOT_ISTIOD; " +
      "XDS_AGENT_DEBUG=all:debug shows more",
  });
}

/** https://www.envoyproxy.io/docs/envoy/latest/operations/admin#post--drain_listeners; an Envoy that is away has nobody to tell. */
async function drainInbound(): Promise<void> {
  const url = `http://127.0.0.1:${PORTS.admin}/drain_listeners?inboundonly&graceful`;
  const answer = await fetch(url, { method: "POST", signal: AbortSignal.timeout(1_000) }).catch(() => undefined);
  await answer?.body?.cancel();
}

/** The agent prints its configuration: what proxyMetadata says of headers and tokens is not to be seen there. */
function registerSecretsOf(value: object): void {
  for (const [name, member] of Object.entries(value)) {
    if (typeof member === "object" && member !== null) registerSecretsOf(member);
    else if (typeof member === "string" && SECRET_VARIABLE.test(name)) registerSecret(member);
  }
}

/** @throws {Problem} it cannot be executed, or its user cannot enter its working directory */
function spawn(command: Deno.Command, { pilotAgent, paths }: PilotAgentOptions, note: Note): Deno.ChildProcess {
  try {
    const child = mayActAsOthers() ? spawnWithStreamsOf(PROXY_USER, () => command.spawn()) : command.spawn();
    note.started(child.pid);
    return child;
  } catch (error) {
    note[Symbol.dispose]();
    const user = mayActAsOthers() ? PROXY_USER.uid : Deno.uid();
    throw new Problem({
      tried: `start ${pilotAgent} in ${paths.base} as user ${user}`,
      got: reasonOf(error).replace(/^Failed to spawn '[^']*': /, "").replace(/ \(os error \d+\)$/, ""),
      fix: `let user ${user} execute ${pilotAgent} and enter ${paths.base}`,
      cause: error,
    });
  }
}

/** The user's PROXY_CONFIG. @throws {UsageError} */
async function parseProxyConfig(text: string | undefined): Promise<Record<string, unknown>> {
  if (!text) return {};
  try {
    const value = await parseDocument(text);
    if (value && typeof value === "object" && !Array.isArray(value)) {
      registerSecretsOf(value);
      return value as Record<string, unknown>;
    }
    throw new Error("not an object");
  } catch (error) {
    throw new UsageError({
      tried: "read setting PROXY_CONFIG",
      got: reasonOf(error),
      fix: "give an Istio ProxyConfig as JSON or YAML",
    });
  }
}
