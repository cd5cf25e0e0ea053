import assert from "node:assert/strict";
import { checkSettings, readPorts, type RegisterSettings } from "./settings.ts";

Deno.test("settings: ports", () => {
  assert.equal(readPorts([]), undefined);
  assert.deepEqual(readPorts(["http=80", "grpc-api=8079"]), [{ name: "http", port: 80 }, {
    name: "grpc-api",
    port: 8079,
  }]);
  for (
    const bad of [
      ["80"],
      ["http=0"],
      ["http=65536"],
      ["http=8a"],
      ["HTTP=80"],
      ["http-=80"],
      ["a-name-of-more-than-15=80"],
      ["http=80", "http=81"],
      ["http=80", "web=80"],
    ]
  ) assert.throws(() => readPorts(bad), /read --port/, bad.join(" "));
});

const GOOD: RegisterSettings = {
  name: "web",
  namespace: "prod",
  regions: [],
  urls: [],
  invoker: true,
  httpRoute: false,
  gateNamespace: "istio-system",
  clusterDomain: "cluster.local",
};
const ONE = [{ region: "us-central1", weight: 1 }];
const TWO = [...ONE, { region: "northamerica-northeast1", weight: 1 }];
const CASES: [name: string, more: Partial<RegisterSettings>, regions: typeof ONE, expected: RegExp | undefined][] = [
  ["one region", {}, ONE, undefined],
  ["two", { httpRoute: true, ports: [{ name: "grpc", port: 80 }] }, TWO, undefined],
  ["an IPv6 gate", { gateIp: "fd00::1" }, ONE, undefined],
  ["a name in capitals", { name: "Web" }, ONE, /name "Web"/],
  ["a name with a digit first", { name: "1web" }, ONE, /begins with a digit/],
  ["a namespace", { namespace: "a.b" }, ONE, /namespace "a\.b"/],
  ["a service", { service: "../x" }, ONE, /service "\.\.\/x"/],
  ["a gate by name", { gateIp: "gate.example" }, ONE, /--gate-ip gate\.example/],
  ["a workload", { workload: "a b" }, ONE, /--workload "a b"/],
  ["an account", { serviceAccount: "../x" }, ONE, /--ksa "\.\.\/x"/],
  ["half a millisecond", { maxConnectionMs: 0.5 }, ONE, /--max-connection of 0\.5 ms/],
  ["no time", { maxConnectionMs: 0 }, ONE, /--max-connection of 0 ms/],
  ["an HTTPRoute for one", { httpRoute: true }, ONE, /--http-route for one region/],
  ["an HTTPRoute for TCP", { httpRoute: true, ports: [{ name: "tcp", port: 80 }] }, TWO, /port tcp, which is not HTTP/],
  ["a long name", { name: "a".repeat(40) }, TWO, /too long for a region's Service/],
  ["a long name for one", { name: "a".repeat(63) }, ONE, undefined],
];
for (const [name, more, regions, expected] of CASES) {
  Deno.test(`settings: ${name}`, () => {
    const check = () => checkSettings({ ...GOOD, ...more }, regions);
    if (expected) assert.throws(check, expected);
    else check();
  });
}
