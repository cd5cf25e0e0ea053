/** Where pilot-agent and Envoy look for things, below one directory (`/` in a container, the working directory elsewhere). */
export interface Paths {
  readonly base: string;
  /** pilot-agent's token for XDS and CA. */
  readonly token: string;
  readonly root: string;
  /** Envoy's bootstrap and what krun adds to it. */
  readonly proxyConfig: string;
  readonly labels: string;
  readonly annotations: string;
  /** Where pilot-agent writes key and chain for programs that read them themselves. */
  readonly outputCerts: string;
  /** What proxyless gRPC's file_watcher reads, in the names GKE uses. */
  readonly workloadCredentials: string;
  /** Where pilot-agent opens the socket by which Envoy asks for keys. */
  readonly workloadSocket: string;
  /** Notes of krun's children, for the next start after a kill. */
  readonly processes: string;
}

/** The user of Istio's proxy image; iptables exempts it, and it must be able to read what is written for it. */
export const PROXY_USER = { uid: 1337, gid: 1337 };

/** pilot-agent's paths are relative to its working directory, https://github.com/istio/istio/tree/master/pkg/security. */
export function pathsBelow(base: string): Paths {
  const below = (path: string) => (base === "/" ? "" : base.replace(/\/+$/, "")) + path;
  return {
    base,
    token: below("/var/run/secrets/tokens/istio-token"),
    root: below("/var/run/secrets/istio/root-cert.pem"),
    proxyConfig: below("/etc/istio/proxy"),
    labels: below("/etc/istio/pod/labels"),
    annotations: below("/etc/istio/pod/annotations"),
    outputCerts: below("/var/run/secrets/istio.io"),
    workloadCredentials: below("/var/run/secrets/workload-spiffe-credentials"),
    workloadSocket: below("/var/run/secrets/workload-spiffe-uds"),
    processes: below("/var/run/krun"),
  };
}
