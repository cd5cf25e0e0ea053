import assert from "node:assert/strict";
import fc from "fast-check";
import { parseAgentLine } from "./agent_log.ts";
import { parseEnvoyVersion } from "./envoy_version.ts";
import { instanceIp } from "./instance_ip.ts";

const LINES: [line: string, level: string, message: string][] = [
  ["2026-01-01T00:00:00.000000Z\twarn\tca\tit failed", "warning", "ca it failed"],
  ["2026-01-01T00:00:00.000000Z\tcritical\tenvoy main\tx", "error", "envoy main x"],
  ["[2026-01-01 00:00:00.000][12][error][config] bad", "error", "envoy [config] bad"],
  ["plain", "info", "plain"],
  ["", "info", ""],
];
for (const [line, level, message] of LINES) {
  Deno.test(`agent's log: ${JSON.stringify(line)}`, () => assert.deepEqual(parseAgentLine(line), { level, message }));
}

Deno.test("agent's log: any line is one, with a level of ours", () => {
  const part = fc.constantFrom("\t", "[", "]", "info", "toString", "constructor", "2026", "x");
  fc.assert(fc.property(fc.oneof(fc.string(), fc.array(part).map((parts) => parts.join(""))), (line) => {
    const { level, message } = parseAgentLine(line);
    assert(["debug", "info", "warning", "error"].includes(level), String(level));
    assert.equal(typeof message, "string");
  }));
});

Deno.test("Envoy's version: any text gives one or none", () => {
  assert.deepEqual(parseEnvoyVersion("\nenvoy  version: abc/1.40.0/Clean/RELEASE/BoringSSL\n"), {
    version: "1.40.0",
    istio: false,
  });
  assert.equal(parseEnvoyVersion(""), undefined);
  fc.assert(fc.property(fc.string(), (text) => void parseEnvoyVersion(`version: ${text}`)));
});

Deno.test("instance's address: IPv4 before IPv6, no loopback or link-local; none where it cannot be told", () => {
  const all = [
    { name: "lo", family: "IPv4", address: "127.0.0.1" },
    { name: "eth1", family: "IPv6", address: "fd00::1" },
    { name: "eth0", family: "IPv4", address: "169.254.8.1" },
    { name: "eth2", family: "IPv4", address: "10.1.2.3" },
  ];
  assert.equal(instanceIp(() => all), "10.1.2.3");
  assert.equal(instanceIp(() => all.slice(0, 3)), "fd00::1");
  assert.equal(instanceIp(() => []), undefined);
  assert.equal(
    instanceIp(() => {
      throw new Error("no");
    }),
    undefined,
  );
});
