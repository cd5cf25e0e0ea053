import { deepEqual, equal, notEqual, throws } from "node:assert/strict";
import { NOTHING_LEARNT } from "./learn.ts";
import { luaFile, scopesFile } from "./routes.ts";

const NAMES = { namespace: "shop", domain: "cluster.local" };

Deno.test("has a scope for each port that names istiod's routes, and its own", () => {
  const { resources, version_info } = JSON.parse(scopesFile([80, 8080]).content);
  equal(version_info, scopesFile([80, 8080]).version);
  notEqual(version_info, scopesFile([80]).version);
  const routes = resources.map((scope: Record<string, unknown>) => [scope["name"], scope["route_configuration_name"]]);
  deepEqual(routes, [["80", "80"], ["8080", "8080"], ["outside", undefined], ["blocked", undefined], [
    "tunnel",
    undefined,
  ], ["cluster", undefined]]);
});

Deno.test("puts the mesh into the Lua filter, and nothing that would end its strings", () => {
  const lua = luaFile({
    httpPorts: [80, 8080],
    services: new Map([["db.shop.svc.cluster.local:5432", "tcp"], ["web.shop.svc.cluster.local:80", "http"], [
      "evil]] os.exit() [[.x:1",
      "tcp",
    ]]),
    tcpRoutes: new Map([["10.1.2.3:5432", [{ name: "outbound|5432||db", weight: 1 }]]]),
    outsideAllowed: false,
  }, NAMES);
  const source: string = JSON.parse(lua.content).resources[0].typed_config.default_source_code.inline_string;
  for (
    const part of [
      "[[80 8080]]",
      "[[db.shop.svc.cluster.local:5432]]",
      "[[10.1.2.3:5432 outbound|5432||db=1]]",
      '"blocked"',
    ]
  ) {
    equal(source.includes(part), true, part);
  }
  equal(source.includes("web.shop"), false);
  equal(source.includes("os.exit"), false);
  notEqual(lua.version, luaFile(NOTHING_LEARNT, NAMES).version);
  throws(() => luaFile(NOTHING_LEARNT, { ...NAMES, namespace: 'a"b' }), TypeError);
});
