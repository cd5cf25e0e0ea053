import { deepEqual, equal } from "node:assert/strict";
import { learnPorts } from "./learn.ts";
import recorded from "./testdata/admin_dumps.json" with { type: "json" };

Deno.test("learns ports and services from what Envoy 1.40 with istiod answers", () => {
  const { httpPorts, services, tcpRoutes, outsideAllowed } = learnPorts(recorded);
  deepEqual(httpPorts, [80, 7000, 7001, 8079, 8080]);
  equal(outsideAllowed, true);
  const table = Object.fromEntries([...services].map(([name, kind]) => [name.replace(".svc.cluster.local", ""), kind]));
  deepEqual(table, {
    "away.other:8125": "tcp", // its listener is not in the recording: without one, and without a route for the port, it is TCP
    "db.fortio:5432": "tcp",
    "db.fortio:8080": "tcp", // although 8080 is HTTP for `web`
    "kubernetes.default:443": "tcp",
    "late.fortio:8123": "tcp",
    "late.fortio:8124": "tcp",
    "raw.example:8077": "tcp",
    "raw.example:8080": "http",
    "sniffed.fortio:7000": "either",
    "sniffed.fortio:7001": "either",
    "web.fortio:80": "http",
    "web.fortio:8079": "http",
    "web.fortio:8080": "http",
  });
  deepEqual(tcpRoutes.get("10.96.0.77:5432"), [{ name: "outbound|5432||db.fortio.svc.cluster.local", weight: 1 }]);
  equal([...tcpRoutes.keys()].some((address) => address.startsWith("0.0.0.0")), false);
});

Deno.test("leaves out services that need the address the app connected to", () => {
  equal([...learnPorts(recorded).services.keys()].some((name) => name.startsWith("headless")), false);
});

const HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const TCP = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const rds = (name: string) => ({ filters: [{ typed_config: { "@type": HTTP, rds: { route_config_name: name } } }] });
const tcp = (config: Record<string, unknown>, match?: Record<string, unknown>) => ({
  filters: [{ typed_config: { "@type": TCP, ...config } }],
  ...(match ? { filter_chain_match: match } : {}),
});
const listener = (name: string, address: string, port: number, ...filter_chains: unknown[]) => ({
  active_state: {
    listener: { name, address: { socket_address: { address, port_value: port } }, filter_chains },
  },
});
const dumps = (listeners: unknown[], clusters: Record<string, string>) => ({
  listeners: { configs: listeners },
  clusters: { configs: Object.entries(clusters).map(([name, type]) => ({ cluster: { name, type } })) },
});

Deno.test("reads the mesh's policy for hosts outside from the last chain of virtualOutbound", () => {
  const loop = tcp({ cluster: "BlackHoleCluster" }, { destination_port: 15001 });
  for (const [cluster, allowed] of [["PassthroughCluster", true], ["BlackHoleCluster", false]] as const) {
    const outbound = listener("virtualOutbound", "0.0.0.0", 15001, loop, tcp({ cluster }));
    equal(learnPorts(dumps([outbound], {})).outsideAllowed, allowed);
  }
});

Deno.test("follows a VirtualService's TCP weights at the service's address, IPv6 too", () => {
  const weighted_clusters = {
    clusters: [{ name: "outbound|9|v1|a.b", weight: 90 }, { name: "outbound|9|v2|a.b", weight: 10 }],
  };
  const { tcpRoutes } = learnPorts(dumps(
    [
      listener("fd00::7_9", "fd00::7", 9, tcp({ weighted_clusters })),
      listener(
        "0.0.0.0_9",
        "0.0.0.0",
        9,
        tcp({ cluster: "outbound|9|v1|a.b" }, {
          prefix_ranges: [{ address_prefix: "10.1.2.3", prefix_len: 32 }, {
            address_prefix: "10.2.0.0",
            prefix_len: 16,
          }],
        }),
      ),
    ],
    { "outbound|9|v1|a.b": "EDS", "outbound|9|v2|a.b": "EDS" },
  ));
  deepEqual([...tcpRoutes], [
    ["10.1.2.3:9", [{ name: "outbound|9|v1|a.b", weight: 1 }]],
    // Not for `a.b:9`: the two listeners lead there by different rules.
    ["[fd00::7]:9", [{ name: "outbound|9|v1|a.b", weight: 90 }, { name: "outbound|9|v2|a.b", weight: 10 }]],
  ]);
});

Deno.test("tells an opaque service from one found by looking, on a listener that both share", () => {
  const clusters = { "outbound|8080||opaque.a": "EDS", "outbound|8080||open.a": "STRICT_DNS" };
  const { services } = learnPorts(dumps([
    listener(
      "0.0.0.0_8080",
      "0.0.0.0",
      8080,
      rds("8080"),
      tcp({ cluster: "outbound|8080||opaque.a" }, { prefix_ranges: [{ address_prefix: "10.1.2.3", prefix_len: 32 }] }),
      tcp({ cluster: "outbound|8080||open.a" }),
    ),
  ], clusters));
  deepEqual([...services], [["opaque.a:8080", "tcp"], ["open.a:8080", "either"]]);
});

Deno.test("takes extra ports, and anything at all for an answer", () => {
  deepEqual(learnPorts(dumps([], { "outbound|99||a.b": "EDS" }), [99]).services.get("a.b:99"), "http");
  for (const odd of [undefined, null, 7, "x", [], {}, { configs: 3 }, { configs: [null, 1, { active_state: 3 }] }]) {
    deepEqual(learnPorts({ listeners: odd, clusters: odd }).httpPorts, []);
  }
});

Deno.test("follows a VirtualService's TCP routes at the service's name, when no other listener contradicts", () => {
  const clusters = { "outbound|9|v1|a.b": "EDS", "outbound|9||c.d": "EDS", "outbound|9||a.b": "EDS" };
  const own = listener("10.0.0.1_9", "10.0.0.1", 9, tcp({ cluster: "outbound|9|v1|a.b" }));
  const plain = listener("10.0.0.2_9", "10.0.0.2", 9, tcp({ cluster: "outbound|9||c.d" }));
  const rule = [{ name: "outbound|9|v1|a.b", weight: 1 }];
  deepEqual([...learnPorts(dumps([own, plain], clusters)).tcpRoutes], [
    ["10.0.0.1:9", rule],
    ["10.0.0.2:9", [{ name: "outbound|9||c.d", weight: 1 }]],
    ["a.b:9", rule],
  ]);
});
