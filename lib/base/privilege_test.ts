import assert from "node:assert/strict";
import { hasCapabilities } from "./privilege.ts";

for (
  const [name, line, expected] of [
    ["all", "CapEff:\t000001ffffffffff", true],
    ["docker's default", "CapEff:\t00000000a80425fb", true],
    ["none", "CapEff:\t0000000000000000", false],
    ["no CAP_CHOWN", "CapEff:\t00000000a80425fa", false],
    ["no CAP_SETUID", "CapEff:\t00000000a804257b", false],
    ["unknown", "Name:\tkrun", true],
  ] as const
) {
  Deno.test(`capabilities: ${name}`, () => assert.equal(hasCapabilities(`Name:\tx\n${line}\nSeccomp:\t0\n`), expected));
}

Deno.test("capabilities: one of the network", () => {
  const NET_ADMIN = [12n];
  assert.equal(hasCapabilities("CapEff:\t00000000a80425fb", NET_ADMIN), false, "docker's default");
  assert.equal(hasCapabilities("CapEff:\t00000000a80435fb", NET_ADMIN), true, "docker --cap-add NET_ADMIN");
});
