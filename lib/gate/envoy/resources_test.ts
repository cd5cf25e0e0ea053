import assert from "node:assert/strict";
import { Secret } from "../../base/secret.ts";
import type { GateRoutes, TunnelRoute } from "../route.ts";
import { gateListeners } from "./listeners.ts";
import { decode, encode } from "./protobuf.ts";
import { clusterPlans, clusterResources, listenerResources } from "./resources.ts";

const ROOTS = { rootsPathFor: () => "/roots.pem" };
const tunnel = (changed: Partial<TunnelRoute> = {}): TunnelRoute => ({
  service: "prod/web",
  serverNames: ["web.prod"],
  url: "https://web.a.run.app",
  audience: "https://web.a.run.app",
  path: "/_hbone/15003",
  limits: { tunnels: 10, connectTimeoutMs: 1_500, idleTimeoutMs: 3_600_000 },
  ...changed,
});
const routes = (...tunnels: TunnelRoute[]): GateRoutes => ({ tunnels, istiod: [] });
const versions = (of: GateRoutes, token = "one", before = clusterPlans(routes(), ROOTS)) => {
  const resources = clusterResources(clusterPlans(of, ROOTS, before), () => new Secret(token));
  return new Map([...resources].map(([name, { version }]) => [name, version]));
};

Deno.test("resources: a cluster a server name, each kind of port with names of its own", () => {
  const pass = { service: "istio-system/istiod", serverNames: ["web.prod"], host: "10.0.0.1", port: 15_012 };
  const all = { tunnels: [tunnel({ serverNames: ["a", "b"] })], istiod: [pass], services: [pass] };
  assert.deepEqual([...versions(all).keys()], ["tunnel/a", "tunnel/b", "istiod/web.prod", "pass/web.prod"]);
});

Deno.test("resources: of two routes with one name the first has it", () => {
  const plans = clusterPlans(routes(tunnel(), tunnel({ service: "prod/late", audience: "late" })), ROOTS);
  assert.equal(plans.get("tunnel/web.prod")?.service, "prod/web");
});

Deno.test("resources: without a token there is no cluster", () => {
  const plans = clusterPlans(routes(tunnel(), tunnel({ serverNames: ["other"], audience: "other" })), ROOTS);
  const resources = clusterResources(plans, (audience) => audience === "other" ? new Secret("token") : undefined);
  assert.deepEqual([...resources.keys()], ["tunnel/other"]);
});

Deno.test("resources: the version follows the content, and nothing else", () => {
  const before = versions(routes(tunnel())).get("tunnel/web.prod");
  assert.equal(versions(routes(tunnel({ service: "prod/renamed" }))).get("tunnel/web.prod"), before);
  assert.notEqual(versions(routes(tunnel()), "two").get("tunnel/web.prod"), before);
  assert.notEqual(versions(routes(tunnel({ url: "https://x.a.run.app" }))).get("tunnel/web.prod"), before);
});

Deno.test("resources: what has not changed is not made again", () => {
  const token = new Secret("token-one");
  const first = clusterPlans(routes(tunnel(), tunnel({ serverNames: ["other"] })), ROOTS);
  const made = clusterResources(first, () => token);
  const moved = tunnel({ serverNames: ["other"], url: "https://moved.a.run.app" });
  const again = clusterResources(clusterPlans(routes(tunnel(), moved), ROOTS, first), () => token);
  assert.equal(again.get("tunnel/web.prod"), made.get("tunnel/web.prod"));
  assert.notEqual(again.get("tunnel/other")?.version, made.get("tunnel/other")?.version);
});

Deno.test("resources: listeners do not change with what is registered, but for paths and idle times of its own", () => {
  const options = { ports: { tunnels: 1, istiod: 2 }, hostname: "::" };
  const usual = listenerResources(options, routes()).get("tunnels")?.version;
  assert.equal(listenerResources(options, routes(tunnel())).get("tunnels")?.version, usual);
  const own = gateListeners(options, [tunnel(), tunnel({ serverNames: ["o", "web.prod"], path: "/_hbone/grpc" })]);
  const { filter_chains } = own.get("tunnels") as { filter_chains: { name: string }[] };
  assert.deepEqual(filter_chains.map(({ name }) => name), ["o"], "the first route has web.prod");
});

Deno.test("protobuf: a message comes back; a field that we do not know is an error", () => {
  const name = "envoy.config.cluster.v3.Cluster";
  const bytes = encode(name, { name: "x", connect_timeout: "1.5s", metadata: { filter_metadata: { a: { b: "c" } } } });
  const { connect_timeout, metadata } = decode<Record<string, unknown>>(name, bytes);
  assert.deepEqual(connect_timeout, { seconds: 1, nanos: 500_000_000 });
  assert.match(JSON.stringify(metadata), /"b":\{"string_value":"c"/);
  assert.throws(() => encode(name, { nmae: "x" }), /no field nmae/);
  assert.throws(() => encode(name, { connect_timeout: "soon" }), /no duration: soon/);
});
