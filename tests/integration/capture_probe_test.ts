/** Which back end is taken, and what is left where there is none. Needs root and iptables. */
import assert from "node:assert/strict";
import { Problem } from "../../lib/base/errors.ts";
import type { Run } from "../../lib/capture/mod.ts";
import { capture, inNamespace } from "./capture_in_namespace.ts";

inNamespace("rules stay in the back end that has them, ours first", async (namespace) => {
  const program = async () => {
    await using made = await capture(namespace.run, {});
    return made.use === "iptables" ? made.program : made.use;
  };
  assert.equal(await program(), "iptables-nft");
  await namespace.restore("*nat\n-A OUTPUT -o x -j RETURN\nCOMMIT\n", "iptables-legacy-restore", "--noflush");
  assert.equal(await program(), "iptables-legacy");
  await using _nft = await capture(namespace.run, { KRUN_IPTABLES_BACKEND: "nft" });
  assert.equal(await program(), "iptables-nft");
});

inNamespace("where it is not permitted or not there, whitebox with the reason in one line", async (namespace) => {
  const rows: [string, Run, RegExp][] = [
    ["no NET_ADMIN", namespace.runBy("setpriv", "--bounding-set=-net_admin,-net_raw"), /it needs root with NET_ADMIN/],
    [
      "a user",
      namespace.runBy("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"),
      /it needs root with NET_ADMIN/,
    ],
    ["another user namespace", namespace.runBy("unshare", "-U", "-r"), /it needs root with NET_ADMIN/],
    ["no program", namespace.runBy("env", "PATH=/nowhere"), /iptables-nft, iptables, iptables-legacy not installed/],
  ];
  for (const [name, run, expected] of rows) {
    const made = await capture(run, {}, "auto");
    assert(made.use === "whitebox", name);
    assert.match(made.because, expected, name);
    assert(!made.because.includes("\n"), name);
    await assert.rejects(() => capture(run, {}), (error) => error instanceof Problem && expected.test(error.got), name);
  }
  assert.equal(await namespace.saved(), "--\n");
});

inNamespace("IPv6 in the app's hands: ::6 on the loopback while inbound is captured", async (namespace) => {
  const addresses = () => namespace.must("ip", "-6", "address", "show", "dev", "lo");
  {
    await using _inbound = await capture(namespace.run);
    assert.match(await addresses(), /::6\/128/);
    await using _again = await capture(namespace.run);
  }
  assert(!(await addresses()).includes("::6/128"));
  await using _outbound = await capture(namespace.run, { KRUN_CAPTURE_IPV6: "on" });
  assert(!(await addresses()).includes("::6/128"));
});
