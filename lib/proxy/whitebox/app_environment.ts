import { DEFAULT_PROXY_PORT } from "./names.ts";

/** Hosts that are never asked through the proxy: the app's own, and the metadata server, which gives tokens for this instance only. */
const DIRECT_HOSTS = ["localhost", "127.0.0.1", "::1", "169.254.169.254", "metadata.google.internal"];

/**
 * The proxy settings of an app in whitebox mode, to be laid over `environment`.
 *
 * - `HTTP_PROXY`, `HTTPS_PROXY` and their lower-case forms are the mesh's proxy. A proxy that the user set for one of them is kept, in both spellings:
 *   who sets one explicitly has a reason, and only then do both spellings agree, as programs differ in which they read.
 * - `NO_PROXY` and `no_proxy` hold what both held before, then this instance's own hosts and the metadata server.
 *
 * Programs that speak TLS or gRPC (curl, Go, gRPC in Go, C++ and Python) ask for their hosts by CONNECT because of `HTTPS_PROXY`, plaintext gRPC too.
 */
export function whiteboxAppEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  port: number = DEFAULT_PROXY_PORT,
): Record<string, string> {
  const mesh = `http://127.0.0.1:${port}`;
  const http = environment["HTTP_PROXY"] || environment["http_proxy"] || mesh;
  const https = environment["HTTPS_PROXY"] || environment["https_proxy"] || mesh;
  const given = [environment["NO_PROXY"], environment["no_proxy"]]
    .flatMap((list) => (list ?? "").split(",")).map((host) => host.trim()).filter((host) => host !== "");
  const direct = [...new Set([...given, ...DIRECT_HOSTS])].join(",");
  return {
    HTTP_PROXY: http,
    http_proxy: http,
    HTTPS_PROXY: https,
    https_proxy: https,
    NO_PROXY: direct,
    no_proxy: direct,
  };
}
