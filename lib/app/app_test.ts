import assert from "node:assert/strict";
import fc from "fast-check";
import { UsageError } from "../base/errors.ts";
import { endedBy } from "./ended_by.ts";
import { listeningInodes, ownedBy } from "./listener.ts";
import { type Probe, probeOf, waitForApp } from "./probe.ts";

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1
   1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 222 1
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1
`;

Deno.test("listeners: of this port, by inode; connections do not count", () => {
  assert.deepEqual(listeningInodes(TABLE, 8_080), ["111"]);
  assert.deepEqual(listeningInodes(TABLE, 80), ["333"]);
  assert.deepEqual(listeningInodes(TABLE, 81), []);
});

Deno.test("listeners: any text gives a list of inodes", () => {
  const line = fc.array(fc.constantFrom("0A", "0100007F:1F90", ":", "1", "", "x")).map((fields) => fields.join(" "));
  fc.assert(fc.property(fc.oneof(fc.string(), fc.array(line).map((lines) => lines.join("\n"))), (text) => {
    for (const inode of listeningInodes(text, 8_080)) assert.equal(typeof inode, "string");
  }));
});

const PROBES: [settings: Omit<Parameters<typeof probeOf>[0], "appPort">, probe: Probe | undefined][] = [
  [{}, { kind: "tcp", hostname: "127.0.0.1", port: 80 }],
  [{ startupProbeTcp: "h:1" }, { kind: "tcp", hostname: "h", port: 1 }],
  [{ startupProbeTcp: ":1" }, { kind: "tcp", hostname: "127.0.0.1", port: 1 }],
  [{ startupProbeTcp: "[::1]:1" }, { kind: "tcp", hostname: "::1", port: 1 }],
  [{ startupProbeHttp: "http://h/x", startupProbeTcp: "h:1" }, { kind: "http", url: "http://h/x" }],
  [{ startupProbeTcp: "-" }, { kind: "none" }],
  [{ startupProbeHttp: "http://h/x", startupProbeTcp: "-" }, { kind: "http", url: "http://h/x" }],
  [{ startupProbeTcp: "h" }, undefined],
  [{ startupProbeTcp: "h:0" }, undefined],
  [{ startupProbeTcp: "h:65536" }, undefined],
  [{ startupProbeHttp: "ftp://h" }, undefined],
];
for (const [settings, probe] of PROBES) {
  Deno.test(`probe: ${JSON.stringify(settings)}`, () => {
    const read = () => probeOf({ ...settings, appPort: 80 });
    if (probe) assert.deepEqual(read(), probe);
    else assert.throws(read, UsageError);
  });
}

Deno.test({
  name: "readiness: the proxy's own listener on the app's port does not count",
  ignore: Deno.build.os !== "linux", // /proc tells whose a socket is
  fn: async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    assert.equal(await ownedBy(port, [Deno.pid]), true);
    assert.equal(await ownedBy(port, []), false);
    const probe: Probe = { kind: "tcp", hostname: "127.0.0.1", port };
    await waitForApp(probe, { limitMs: 500, appPort: port, notTheApp: [] });
    await assert.rejects(waitForApp(probe, { limitMs: 100, appPort: port, notTheApp: [Deno.pid] }), {
      message:
        `wait for the app on 127.0.0.1:${port}\n  got: not ready after 100 ms: the port is the proxy's, not the app's\n` +
        `  do: let the app listen on the port in PORT (${port}), or set PORT_http, startupProbe.http, startupProbe.tcp or KRUN_STARTUP_MS`,
    });
  },
});

const ENDS: [signal: Deno.Signal, cgroup: string, said: RegExp][] = [
  ["SIGSEGV", "oom_kill 1", /^the app was ended by SIGSEGV, which krun did not send$/],
  ["SIGKILL", "", /: by somebody's kill -9, or where the container's memory limit was reached$/],
  ["SIGKILL", "low 0\noom 3\noom_kill 0\n", /: by somebody's kill -9/],
  ["SIGKILL", "low 0\noom 3\noom_kill 2\n", /: the container's memory limit was reached, give it more memory$/],
];
for (const [signal, cgroup, said] of ENDS) {
  Deno.test(`app ended by ${signal} with "${cgroup.trim().replaceAll("\n", ", ")}" in its cgroup`, () => {
    assert.match(endedBy(signal, cgroup), said);
  });
}
