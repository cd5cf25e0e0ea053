/** Rules that a killed krun left in a network that lives on. */
import assert from "node:assert/strict";
import { removeStaleRules } from "../../lib/capture/mod.ts";
import { capture, EVERYTHING, inNamespace } from "./capture_in_namespace.ts";

for (const backend of ["nft", "legacy"] as const) {
  const legacyTables = () => backend === "legacy" ? "nat\n" : "";

  inNamespace(`${backend}: rules that lead to a proxy which is gone are removed, and no others`, async (namespace) => {
    await namespace.restore("*nat\n-A OUTPUT -o eth8 -j RETURN\nCOMMIT\n", `iptables-${backend}-restore`, "--noflush");
    const before = await namespace.saved(backend);
    const options = { run: namespace.run, legacyTables, proxyListens: () => Promise.resolve(false) };
    assert.deepEqual(await removeStaleRules(options), []);
    await capture(namespace.run, { ...EVERYTHING, KRUN_IPTABLES_BACKEND: backend }); // never disposed: krun was killed
    assert.notEqual(await namespace.saved(backend), before);

    assert.deepEqual(await removeStaleRules({ ...options, proxyListens: () => Promise.resolve(true) }), []);
    assert.notEqual(await namespace.saved(backend), before, "a proxy that listens is somebody's");
    assert.deepEqual(await removeStaleRules(options), [`iptables-${backend}`]);
    assert.equal(await namespace.saved(backend), before);
  });
}
