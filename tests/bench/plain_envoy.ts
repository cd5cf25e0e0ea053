/** Envoy as a plain TCP proxy on one thread: what moving bytes costs without names or tunnels, in the clear or inside TLS to the peer. */
import { endProcess } from "../../lib/base/child.ts";

/**
 * Serves until it ends; its own process takes the caller's place in measurements of memory and time.
 * @param rootsFile of the peer, which is then spoken to by TLS
 */
export async function plainEnvoy(
  binary: string,
  peerPort: number,
  rootsFile: string | undefined,
  onPort: (port: number) => void,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  const port = freePort();
  const address = (portValue: number) => ({ socket_address: { address: "127.0.0.1", port_value: portValue } });
  const type = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
  const config = {
    admin: { address: { pipe: { path: `${directory}/admin` } } },
    static_resources: {
      listeners: [{
        name: "in",
        address: address(port),
        filter_chains: [{
          filters: [{ name: "tcp", typed_config: { "@type": type, stat_prefix: "tcp", cluster: "peer" } }],
        }],
      }],
      clusters: [{
        name: "peer",
        type: "STATIC",
        connect_timeout: "5s",
        ...(rootsFile === undefined ? {} : { transport_socket: tlsTo(rootsFile) }),
        circuit_breakers: { thresholds: [{ max_connections: 100_000, max_pending_requests: 100_000 }] },
        load_assignment: {
          cluster_name: "peer",
          endpoints: [{ lb_endpoints: [{ endpoint: { address: address(peerPort) } }] }],
        },
      }],
    },
  };
  await Deno.writeTextFile(`${directory}/envoy.json`, JSON.stringify(config));
  const args = ["-c", `${directory}/envoy.json`, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"];
  const child = new Deno.Command(binary, { args, stdout: "null", stderr: "null" }).spawn();
  Deno.addSignalListener("SIGTERM", () => void endProcess(child, 500).then(() => Deno.exit(0)));
  for (;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  onPort(port);
  await child.status;
}

function tlsTo(rootsFile: string): object {
  return {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
      sni: "localhost",
      common_tls_context: { validation_context: { trusted_ca: { filename: rootsFile } } },
    },
  };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}
