/** The same suite for Envoy as the tunnel's end, where an Envoy is given: `ENVOY_BIN=/usr/local/bin/envoy deno test -A …`. */
import assert from "node:assert/strict";
import { envoyVerdict } from "../../lib/tunnel/envoy_versions.ts";
import { envoyKeepsTunnelEnds, envoyTunnel } from "../../lib/tunnel/mod.ts";
import { tunnelConformance } from "./tunnel_suite.ts";

const envoy = Deno.env.get("ENVOY_BIN");

if (!envoy) {
  Deno.test({ name: "tunnel end envoy: skipped, no Envoy is given (ENVOY_BIN)", ignore: true, fn() {} });
} else {
  const { stdout } = await new Deno.Command(envoy, { args: ["--version"] }).output();
  const version = /\/(\d+\.\d+\.\d+\S*?)\//.exec(new TextDecoder().decode(stdout))?.[1] ?? "";
  const failures = envoyVerdict(version)?.failures ?? [];
  tunnelConformance(envoyTunnel(envoy), failures, "lib/tunnel/envoy_versions.ts");

  Deno.test(`tunnel end envoy ${version}: krun takes it exactly if no case of the suite loses data with it`, () => {
    const judged = envoyVerdict(version)?.failures !== undefined;
    assert.equal(envoyKeepsTunnelEnds(version), judged && !failures.some(({ losesData }) => losesData));
  });

  Deno.test("tunnel end envoy: a port that is taken is a Problem with Envoy's reason", async () => {
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const options = { hostname: "127.0.0.1", port: (taken.addr as Deno.NetAddr).port, routes: new Map(), appPort: 1 };
    await assert.rejects(envoyTunnel(envoy).serve(options), /serve tunnels with .*Address already in use/s);
  });

  Deno.test("tunnel end envoy: no such binary is a Problem", async () => {
    const options = { hostname: "127.0.0.1", port: 0, routes: new Map(), appPort: 1 };
    await assert.rejects(envoyTunnel("/nowhere/envoy").serve(options), { name: "Problem" });
  });
}
