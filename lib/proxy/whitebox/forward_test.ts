import { deepEqual, equal, match, throws } from "node:assert/strict";
import { UsageError } from "../../base/errors.ts";
import { type Forward, parseForwards } from "./forward.ts";
import { forwardFile } from "./forward_resources.ts";
import type { MeshPorts } from "./learn.ts";

Deno.test("reads MESH_FORWARD", () => {
  const cases: [string, Forward[]][] = [
    ["", []],
    [" , ", []],
    ["5432=db:5432", [{ localPort: 5432, host: "db", port: 5432 }]],
    [" 5432 = db.shop : 5433 ,6379=cache.shared.svc.cluster.local:6379,", [
      { localPort: 5432, host: "db.shop", port: 5433 },
      { localPort: 6379, host: "cache.shared.svc.cluster.local", port: 6379 },
    ]],
    ["1=10.1.2.3:65535", [{ localPort: 1, host: "10.1.2.3", port: 65535 }]],
    ["80=[fd00::1]:80", [{ localPort: 80, host: "fd00::1", port: 80 }]],
    ["14999=a:15001,15101=b:1", [{ localPort: 14999, host: "a", port: 15001 }, {
      localPort: 15101,
      host: "b",
      port: 1,
    }]],
  ];
  for (const [setting, forwards] of cases) deepEqual(parseForwards(setting), forwards, setting);
});

Deno.test("refuses what is not a forward, and says why", () => {
  const cases: [string, RegExp][] = [
    ["5432", /form/],
    ["5432=db", /form/],
    ["5432:db:5432", /form/],
    ["5432=fd00::1:80", /form/],
    ["x=db:1", /local port "x"/],
    ["0=db:1", /local port "0"/],
    ["65536=db:1", /local port "65536"/],
    ["1e3=db:1", /local port "1e3"/],
    ["1=db:0", /service's port "0"/],
    ["1=db:", /service's port ""/],
    ["1=:80", /"" is neither/],
    ["1=d b:80", /neither/],
    ["1=a..b:80", /neither/],
    ["1=[10.1.2.3]:80", /neither/],
    ["1=[]:80", /neither/],
    ["15000=db:1", /15000 is one of the mesh's own/],
    ["15100=db:1", /15100 is one of the mesh's own/],
    ["8080=db:1", /8080 is the app's/],
    ["1=a:1,1=b:1", /used twice/],
  ];
  for (const [setting, reason] of cases) {
    throws(() => parseForwards(setting, [8080]), (error) => {
      equal(error instanceof UsageError, true);
      match((error as Error).message, reason);
      match((error as Error).message, /MESH_FORWARD=5432=db:5432/);
      return true;
    }, setting);
  }
});

const PORTS: MeshPorts = {
  httpPorts: [8080, 7000],
  services: new Map([["web.shop.svc.cluster.local:8080", "http"], ["db.shop.svc.cluster.local:5432", "tcp"], [
    "any.shop.svc.cluster.local:7000",
    "either",
  ]]),
  tcpRoutes: new Map([["[fd00::7]:5432", [{ name: "a", weight: 10 }, { name: "b", weight: 90 }]]]),
  outsideAllowed: true,
};

Deno.test("sends a forward's connections where the mesh's rules say", () => {
  const cases: [string, Partial<MeshPorts>, Record<string, string>][] = [
    ["web:8080", {}, { "envoy.tcp_proxy.cluster": "krun_tunnel", "krun.tunnel": "web:8080" }],
    ["any.shop:7000", {}, {
      "envoy.tcp_proxy.cluster": "krun_tunnel",
      "krun.tunnel": "any.shop:7000",
      "krun.cluster": "outbound|7000||any.shop.svc.cluster.local",
    }],
    ["DB.shop.svc:5432", {}, { "envoy.tcp_proxy.cluster": "outbound|5432||db.shop.svc.cluster.local" }],
    ["db.shop.svc.cluster.local.:5432", {}, { "envoy.tcp_proxy.cluster": "outbound|5432||db.shop.svc.cluster.local" }],
    ["[fd00::7]:5432", {}, { "envoy.tcp_proxy.cluster": "b" }],
    ["db:5433", {}, {}],
    ["example.com:443", {}, {}],
    ["example.com:443", { outsideAllowed: false }, { "envoy.tcp_proxy.cluster": "krun_nowhere" }],
  ];
  for (const [target, change, expected] of cases) {
    const [forward] = parseForwards(`9000=${target}`);
    const file = forwardFile(forward!, { ...PORTS, ...change }, { namespace: "shop", domain: "cluster.local" });
    const [resource] = JSON.parse(file.content).resources;
    equal(resource.name, "krun_forward_9000");
    const states = resource.typed_config.on_new_connection.map((
      state: { object_key: string; format_string: { text_format_source: { inline_string: string } } },
    ) => [state.object_key, state.format_string.text_format_source.inline_string]);
    deepEqual(Object.fromEntries(states), expected, target);
  }
});
