import type { RunContainer, RunEnvVar } from "../../gcp/mod.ts";

/** The container's name in a service of several. */
export const KRUN = "krun";
/** Cloud Run's PORT of a service in the mesh: the tunnel's end. */
export const TUNNEL_PORT = 15_009;
/** Cloud Run's own limit for a start, in seconds; krun waits as long for an app in another container. */
const LONGEST_START = 240;
/** Until proxy, identity and capture are there; seen within a second. */
const STARTUP_PROBE = { initialDelaySeconds: 0, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 120 };

/** What of krun's container is chosen by who asks for it. */
export interface KrunOptions {
  /** The golden image: Istio's proxy image with krun as its entry point. */
  image: string;
  namespace: string;
  /** How the app's own requests get into the mesh, as krun's `KRUN_CAPTURE` says it. */
  capture: Capture;
  /** Further variables of krun. */
  env: Readonly<Record<string, string>>;
  limits: { cpu: string; memory: string };
}

export const CAPTURES = ["whitebox", "auto", "required", "none"] as const;
export type Capture = typeof CAPTURES[number];

/**
 * krun as the container that gets the requests, in front of an app in another: 15009 accepts when the app's network is ready, so that the
 * startup probe passes, the app is started, and requests wait until it is ready.
 * @param before the container as it is, where there is one: what is not said here stays
 * @param app the app's container, and its port
 */
export function krunContainer(
  before: RunContainer | undefined,
  { container, port }: { container: RunContainer; port: number },
  options: KrunOptions,
): RunContainer {
  const probed = container.startupProbe?.httpGet;
  const env: Record<string, string> = {
    PORT_http: String(port),
    WORKLOAD_NAMESPACE: options.namespace,
    KRUN_TUNNEL_OPENS: "network",
    KRUN_STARTUP_MS: String(LONGEST_START * 1_000),
    KRUN_CAPTURE: options.capture,
    ...options.env,
  };
  const { resources } = container;
  return {
    ...before,
    name: KRUN,
    image: options.image,
    args: [
      // As Cloud Run itself would ask before it sends the first request.
      ...(probed ? [`--startup-http=http://127.0.0.1:${probed.port ?? port}${probed.path || "/"}`] : []),
      "--", // an app in another container
    ],
    env: withVariables(before?.env, env),
    ports: [{ name: "h2c", containerPort: TUNNEL_PORT }],
    resources: {
      ...before?.resources,
      limits: { ...before?.resources?.limits, ...options.limits },
      // Cloud Run's default is true where nothing is said of resources, and false where something is.
      cpuIdle: resources ? resources.cpuIdle ?? false : true,
      startupCpuBoost: true,
    },
    startupProbe: { ...before?.startupProbe, ...STARTUP_PROBE, tcpSocket: { port: TUNNEL_PORT } },
  };
}

/** The variables with these values: in place where they are there, behind the others where not. */
export function withVariables(
  before: readonly RunEnvVar[] | undefined,
  values: Readonly<Record<string, string>>,
): RunEnvVar[] {
  const kept = (before ?? []).map((variable) =>
    Object.hasOwn(values, variable.name) ? { name: variable.name, value: values[variable.name]! } : variable
  );
  const known = new Set(kept.map(({ name }) => name));
  const added = Object.entries(values).filter(([name]) => !known.has(name)).map(([name, value]) => ({ name, value }));
  return [...kept, ...added];
}
