import { Problem } from "../../lib/base/errors.ts";

/** Where and with what the end-to-end tests run; each from a variable of the environment. */
export interface E2eSettings {
  /** Administrator's access to a cluster with Istio. */
  kubeconfig: string;
  /** How a container of each runtime is started, as words before the options: `docker run --rm --network host`. */
  runtimes: Readonly<Record<string, readonly string[]>>;
  /** How a running container of each runtime is spoken to, as words before `exec` and `stop`: `docker`. */
  engines: Readonly<Record<string, readonly string[]>>;
  /** How a container is started in the network of the one before, or `exec`: by a process beside krun; a runtime without it skips that test. */
  beside: Readonly<Record<string, readonly string[]>>;
  /** Address of the containers' ports, as pods and this process see it. */
  containerAddress: string;
  /** Address of this process, as the containers see it. */
  ownAddress: string;
  /** Address that leads to istiod on 15012 from the containers; empty to make a Service for it on the first node's address. */
  istiodAddress: string;
  /** Words that build an image: `docker build`. */
  build: readonly string[];
  /** Words that hand an image to the cluster's nodes: `kind load docker-image`; empty where they pull it themselves. */
  load: readonly string[];
  /** Runtimes whose containers have NET_ADMIN, in a network of their own: there rules of iptables must be made. */
  captures: readonly string[];
  /** Words that restart the API server and wait for it; empty where that cannot be tried. */
  restartApi: readonly string[];
  /** Words that kill a container of the node, with its id behind them: `docker exec kind-control-plane ctr -n k8s.io tasks kill -s SIGKILL`; empty where that cannot be tried. */
  killContainer: readonly string[];
  /** IPv6 address of this process, as the containers see it; empty where there is none. */
  ownAddress6: string;
  /** Deno that compiles the executables. */
  compiler: string;
  /** Image with pilot-agent and Envoy; image with fortio in /usr/bin. */
  base: string;
  fortio: string;
}

/** Reads `E2E_*` and `KUBECONFIG`. @throws {Problem} naming everything that is missing */
export async function e2eSettings(environment: Readonly<Record<string, string | undefined>>): Promise<E2eSettings> {
  const missing: string[] = [];
  const words = (name: string, fallback = "") =>
    (environment[name] ?? fallback).split(/\s+/).filter((word) => word !== "");
  const kubeconfig = environment["KUBECONFIG"] ?? "";
  if (!kubeconfig) missing.push("KUBECONFIG of a cluster with Istio");
  else if (!await Deno.stat(kubeconfig).catch(() => undefined)) missing.push(`the file ${kubeconfig} (KUBECONFIG)`);
  const engine = environment["E2E_ENGINE"] ?? await firstProgram(["docker", "podman"], environment["PATH"] ?? "");
  if (!engine) missing.push("a container engine: docker or podman in PATH, or E2E_ENGINE");
  if (!await firstProgram(["kubectl"], environment["PATH"] ?? "")) missing.push("kubectl in PATH");
  const ownAddress = environment["E2E_OWN_ADDRESS"] ?? "";
  if (!ownAddress) missing.push("E2E_OWN_ADDRESS: this machine's address as pods and containers see it");
  if (missing.length > 0) {
    throw new Problem({
      tried: "run the end-to-end tests",
      got: `without ${missing.join("; ")}`,
      fix: "see CONTRIBUTING.md, section End-to-end tests",
    });
  }
  const runtimes: Record<string, readonly string[]> = {};
  const beside: Record<string, readonly string[]> = {};
  const engines: Record<string, readonly string[]> = {};
  for (const runtime of words("E2E_RUNTIMES", "runc")) {
    const name = runtime.toUpperCase().replaceAll("-", "_");
    runtimes[runtime] = words(`E2E_RUN_${name}`, `${engine} run --rm --network host --runtime ${runtime}`);
    engines[runtime] = words(`E2E_EXEC_${name}`, engine);
    beside[runtime] = words(`E2E_BESIDE_${name}`);
  }
  return {
    kubeconfig,
    runtimes,
    engines,
    beside,
    ownAddress,
    containerAddress: environment["E2E_CONTAINER_ADDRESS"] ?? ownAddress,
    istiodAddress: environment["E2E_ISTIOD_ADDRESS"] ?? "",
    build: words("E2E_BUILD", `${engine} build`),
    load: words("E2E_LOAD"),
    captures: words("E2E_CAPTURES"),
    restartApi: words("E2E_RESTART_API"),
    killContainer: words("E2E_KILL_CONTAINER"),
    ownAddress6: environment["E2E_OWN_ADDRESS6"] ?? "",
    compiler: environment["E2E_COMPILER"] ?? Deno.execPath(),
    base: environment["E2E_BASE"] ?? "docker.io/istio/proxyv2:1.29.0",
    fortio: environment["E2E_FORTIO"] ?? "docker.io/fortio/fortio:1.66.5",
  };
}

async function firstProgram(names: readonly string[], path: string): Promise<string | undefined> {
  for (const name of names) {
    for (const directory of path.split(":")) {
      if (await Deno.stat(`${directory}/${name}`).then((info) => info.isFile, () => false)) return name;
    }
  }
}
