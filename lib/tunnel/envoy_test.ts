import assert from "node:assert/strict";
import { envoyTunnelOverride } from "./envoy.ts";
import { ENVOY_TUNNEL_VERDICTS, envoyKeepsTunnelEnds } from "./envoy_versions.ts";

const OPTIONS = { port: 15009, routes: new Map([["15003", 15003], ["http", 8080], ["web", 8080]]), appPort: 8080 };

interface Route {
  match: { path?: string; prefix?: string; headers?: unknown[] };
  route?: { cluster: string };
  direct_response?: { status: number };
}

Deno.test("envoyTunnelOverride: a POST to each declared name leads to its port, everything else is refused or the app's", () => {
  const { listeners } = envoyTunnelOverride(OPTIONS);
  // deno-lint-ignore no-explicit-any
  const manager = (listeners[0] as any).filter_chains[0].filters[0].typed_config;
  const routes: Route[] = manager.route_config.virtual_hosts[0].routes;
  assert.deepEqual(
    routes.map((
      { match, route, direct_response },
    ) => [match.path ?? match.prefix, match.headers ? "matched" : "*", route?.cluster ?? direct_response?.status]),
    [
      ["/_hbone/15003", "matched", "hbone_15003"],
      ["/_hbone/http", "matched", "hbone_8080"],
      ["/_hbone/web", "matched", "hbone_8080"],
      ["/_hbone/15003", "*", 405],
      ["/_hbone/http", "*", 405],
      ["/_hbone/web", "*", 405],
      ["/_hbone/", "*", 404],
      ["/", "matched", "hbone_app_grpc"],
      ["/", "*", "hbone_app"],
    ],
  );
});

Deno.test("envoyTunnelOverride: one cluster for each port and one for the app, each with a name of its own", () => {
  const names = envoyTunnelOverride(OPTIONS).clusters.map(({ name }) => name);
  assert.deepEqual(names, ["hbone_15003", "hbone_8080", "hbone_app", "hbone_app_grpc"]);
});

Deno.test("envoyKeepsTunnelEnds: no version is known to pass, and nonsense is no version", () => {
  for (const version of ["1.40.0", "1.38.1-dev", "v1.29", "1.41.0", "2.0.0", "", "main", "1"]) {
    assert.equal(envoyKeepsTunnelEnds(version), false, version);
  }
  assert.equal(ENVOY_TUNNEL_VERDICTS.at(-1)?.upTo, undefined, "the last row covers every version");
  assert.equal(ENVOY_TUNNEL_VERDICTS.at(-1)?.failures, undefined, "a version that nobody tried is not taken");
});
