import type { RunContainer, RunEnvVar, RunProbe } from "../../gcp/mod.ts";
import { whiteboxAppEnvironment } from "../../proxy/mod.ts";
import { type Capture, KRUN, withVariables } from "./krun_container.ts";

/** What Cloud Run calls the port of a container that says none, https://cloud.google.com/run/docs/container-contract#port. */
const DEFAULT_PORT = 8_080;
/** The app's name where it has none: a service of one container needs none, one of several needs them for their order. */
const APP = "app";
const PROXIES = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"];
const MESH_PROXY = whiteboxAppEnvironment({})["HTTP_PROXY"];

/** The app's port, as Cloud Run tells it by PORT. */
export function portOf({ ports }: RunContainer): number {
  return ports?.[0]?.containerPort || DEFAULT_PORT;
}

/**
 * The container that got the requests, as one beside krun: without a port of its own towards Cloud Run, which allows one container to have
 * it, told by PORT what Cloud Run told it before, started after krun. Everything else stays as it is.
 */
export function appContainer(container: RunContainer, port: number, capture: Capture): RunContainer {
  const { ports: _, startupProbe, livenessProbe, readinessProbe, dependsOn = [], ...kept } = container;
  return {
    ...kept,
    name: container.name ?? APP,
    env: withProxy(withVariables(container.env, { PORT: String(port) }), capture),
    dependsOn: dependsOn.includes(KRUN) ? dependsOn : [...dependsOn, KRUN],
    ...(startupProbe ? { startupProbe: withPort(startupProbe, port) } : {}),
    ...(livenessProbe ? { livenessProbe: withPort(livenessProbe, port) } : {}),
    ...(readinessProbe ? { readinessProbe: withPort(readinessProbe, port) } : {}),
  };
}

/** With the port that was the container's own until now. */
function withPort(probe: RunProbe, port: number): RunProbe {
  const { httpGet, tcpSocket, grpc } = probe;
  return {
    ...probe,
    ...(httpGet ? { httpGet: { ...httpGet, port: httpGet.port ?? port } } : {}),
    ...(tcpSocket ? { tcpSocket: { ...tcpSocket, port: tcpSocket.port ?? port } } : {}),
    ...(grpc ? { grpc: { ...grpc, port: grpc.port ?? port } } : {}),
  };
}

/**
 * In whitebox mode with the variables by which krun's own child would find the proxy; a proxy that is set already, also by a secret, is kept.
 * In every other mode without those that lead to the mesh's proxy: nobody serves it.
 */
function withProxy(env: readonly RunEnvVar[], capture: Capture): RunEnvVar[] {
  if (capture !== "whitebox") {
    return env.filter(({ name, value }) => !(PROXIES.includes(name) && value === MESH_PROXY));
  }
  const literal = env.filter(({ valueSource }) => valueSource === undefined);
  const own = Object.fromEntries(literal.map(({ name, value }) => [name, value ?? ""]));
  const isSecret = (name: string) => env.some((variable) => variable.valueSource && sameVariable(variable.name, name));
  const wanted = Object.entries(whiteboxAppEnvironment(own)).filter(([name]) => !isSecret(name));
  return withVariables(env, Object.fromEntries(wanted));
}

/** Programs read either spelling. */
function sameVariable(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
