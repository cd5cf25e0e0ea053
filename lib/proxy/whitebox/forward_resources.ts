import { fileSource, paths, type ResourceFile, resourceFile } from "./files.ts";
import { literal, stateValue } from "./filter_state.ts";
import { authorityOf, type Forward } from "./forward.ts";
import type { MeshPorts } from "./learn.ts";
import { loopbackAddresses } from "./loopback.ts";
import { type NameScope, resolveService } from "./service_names.ts";
import { RESOURCES, STATES, TCP_CLUSTER_STATE, typeUrl } from "./names.ts";

const STATE_TYPE = typeUrl("extensions.filters.network.set_filter_state.v3.Config");

/**
 * The listener of a forward: plain `tcp_proxy`, to the host's own cluster unless the discovered filter before it names another.
 *
 * A CONNECT to the proxy's own port would do, and be less: Envoy closes a CONNECT as a whole when the client ends its side, and drops what it has not
 * yet passed on (megabytes, when the server is slow). `tcp_proxy` keeps the directions apart and loses nothing.
 */
export function forwardListener(
  forward: Forward,
  options: { directory: string; ipv6?: boolean },
): Record<string, unknown> {
  const name = nameOf(forward);
  return {
    name,
    ...loopbackAddresses(forward.localPort, options.ipv6 ?? false),
    filter_chains: [{
      filters: [
        {
          name,
          config_discovery: {
            type_urls: [STATE_TYPE],
            config_source: fileSource(paths(options.directory).forward(forward.localPort)),
          },
        },
        {
          name: "envoy.filters.network.tcp_proxy",
          typed_config: {
            "@type": typeUrl("extensions.filters.network.tcp_proxy.v3.TcpProxy"),
            stat_prefix: name,
            cluster: name,
          },
        },
      ],
    }],
  };
}

/** The host itself, for when it is outside the mesh. */
export function forwardCluster(forward: Forward): Record<string, unknown> {
  const name = nameOf(forward);
  const endpoint = { address: { socket_address: { address: forward.host, port_value: forward.port } } };
  return {
    name,
    type: "STRICT_DNS",
    dns_lookup_family: "V4_PREFERRED",
    // Names of the mesh are not in DNS: asking for them often would only be noise.
    dns_failure_refresh_rate: { base_interval: "5s", max_interval: "60s" },
    connect_timeout: "10s",
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
  };
}

/**
 * The discovered filter of a forward: where its connections go, by what is known of the mesh. HTTP services (and those whose protocol is found by
 * looking) go into the internal listener that CONNECT uses, opaque ones to their cluster, other hosts to the host.
 */
export function forwardFile(forward: Forward, ports: MeshPorts, names: NameScope): ResourceFile {
  return resourceFile([{
    "@type": typeUrl("config.core.v3.TypedExtensionConfig"),
    name: nameOf(forward),
    typed_config: { "@type": STATE_TYPE, on_new_connection: statesOf(forward, ports, names) },
  }]);
}

function statesOf(forward: Forward, ports: MeshPorts, names: NameScope): Record<string, unknown>[] {
  const to = (cluster: string) => stateValue(TCP_CLUSTER_STATE, literal(cluster), "here");
  const service = resolveService(forward, ports, names);
  if (!service) return ports.outsideAllowed ? [] : [to(RESOURCES.nowhere)];
  if (service.kind === "tcp") return [to(service.cluster)];
  return [
    to(RESOURCES.tunnel),
    stateValue(STATES.tunnel, literal(authorityOf(forward)), "shared"),
    ...(service.kind === "either" ? [stateValue(STATES.cluster, literal(service.cluster), "shared")] : []),
  ];
}

function nameOf(forward: Forward): string {
  return `krun_forward_${forward.localPort}`;
}
