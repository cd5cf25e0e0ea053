/** Making, checking and removing rules in a namespace with the rules of others, by both back ends. Needs root and iptables. */
import assert from "node:assert/strict";
import { Problem } from "../../lib/base/errors.ts";
import { iptablesCommand, type Run } from "../../lib/capture/mod.ts";
import { around, capture, EVERYTHING, inNamespace } from "./capture_in_namespace.ts";
import { Namespace } from "./capture_namespaces.ts";

/** Rules of somebody else: before, between and after ours, in tables that we use and in one that we do not. */
const FOREIGN_BEFORE = `*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m comment --comment "leads to \\"DOCKER\\", -j ISTIO_OUTPUT" -j DOCKER
-A DOCKER -p tcp -m tcp --dport 7 -j REDIRECT --to-ports 9
COMMIT
*raw
-A PREROUTING -i eth9 -j ACCEPT
COMMIT
*filter
:ISTIOLIKE - [0:0]
-A INPUT -j ISTIOLIKE
COMMIT
`;
const FOREIGN_AFTER =
  "*nat\n-A OUTPUT -o eth8 -j RETURN\n-A PREROUTING -i eth8 -j RETURN\nCOMMIT\n*mangle\n-A PREROUTING -i eth8 -j ACCEPT\nCOMMIT\n";
const FOREIGN_FIRST = "*nat\n-I OUTPUT 1 -o eth7 -j RETURN\nCOMMIT\n";

async function foreign(namespace: Namespace, backend: string, text: string): Promise<void> {
  for (const program of ["iptables", "ip6tables"]) {
    const suited = program === "ip6tables" ? text.replace("127.0.0.0/8", "::1/128") : text;
    await namespace.restore(suited, `${program}-${backend}-restore`, "--noflush");
  }
}

for (const backend of ["nft", "legacy"] as const) {
  const variables = { ...EVERYTHING, KRUN_IPTABLES_BACKEND: backend };

  inNamespace(
    `${backend}: made three times, the rules are the same; the last one out leaves those of the first`,
    async (namespace) => {
      await using first = await capture(namespace.run, variables);
      assert(first.use === "iptables" && first.made && first.ipv6);
      const once = await namespace.saved(backend);
      for (const _ of [2, 3]) {
        await using again = await capture(namespace.run, variables);
        assert(again.use === "iptables" && !again.made);
        assert.equal(await namespace.saved(backend), once);
      }
      assert.equal(await namespace.saved(backend), once);
    },
  );

  inNamespace(
    `${backend}: at the end everything is as it was, with the rules of others around ours`,
    async (namespace) => {
      await foreign(namespace, backend, FOREIGN_BEFORE);
      const before = await namespace.saved(backend);
      const without = async (made: Awaited<ReturnType<typeof capture>>, extra: () => Promise<void>) => {
        await extra();
        await made[Symbol.asyncDispose]();
        return await namespace.saved(backend);
      };
      assert.equal(await without(await capture(namespace.run, variables), () => Promise.resolve()), before);
      const made = await capture(namespace.run, variables);
      const after = await without(made, async () => {
        await foreign(namespace, backend, FOREIGN_AFTER);
        await foreign(namespace, backend, FOREIGN_FIRST);
        // Made again in between, ours stay between theirs.
        const order = await namespace.saved(backend);
        await using _again = await capture(namespace.run, variables);
        assert.equal(await namespace.saved(backend), order);
      });
      await using reference = await Namespace.make();
      await foreign(reference, backend, FOREIGN_BEFORE);
      await foreign(reference, backend, FOREIGN_AFTER);
      await foreign(reference, backend, FOREIGN_FIRST);
      assert.equal(after, await reference.saved(backend));
    },
  );

  inNamespace(`${backend}: other rules of ours that were there come back at the end`, async (namespace) => {
    await foreign(namespace, backend, FOREIGN_BEFORE);
    await using _old = await capture(namespace.run, {
      KRUN_IPTABLES_BACKEND: backend,
      OUTBOUND_IP_RANGES_INCLUDE: "*",
    });
    await foreign(namespace, backend, FOREIGN_AFTER);
    const old = await namespace.saved(backend);
    {
      await using changed = await capture(namespace.run, variables);
      assert(changed.use === "iptables" && changed.made);
      assert.notEqual(await namespace.saved(backend), old);
    }
    assert.equal(await namespace.saved(backend), old);
  });

  inNamespace(`${backend}: a rule that the kernel does not take leaves nothing half`, async (namespace) => {
    await foreign(namespace, backend, FOREIGN_BEFORE);
    const before = await namespace.saved(backend);
    // IPv4 is made and IPv6's nat too, then its last table fails.
    const failing: Run = (program, args, input) => {
      const last = program.startsWith("ip6tables") && program.endsWith("restore") && !args.includes("--test");
      return namespace.run(program, args, last ? `${input}*raw\n-A OUTPUT -j NOWHERE\nCOMMIT\n` : input);
    };
    const because = await capture(failing, variables, "auto");
    assert(because.use === "whitebox");
    assert.match(because.because, /^iptables cannot be used: change the rules of ip6tables-\w+: .*NOWHERE/);
    assert(!because.because.includes("\n"));
    assert.equal(await namespace.saved(backend), before);
    await assert.rejects(() => capture(failing, variables), Problem);
    // Where rules of ours were there, these are what is left.
    await using _old = await capture(namespace.run, { KRUN_IPTABLES_BACKEND: backend });
    const old = await namespace.saved(backend);
    await assert.rejects(() => capture(failing, variables), Problem);
    assert.equal(await namespace.saved(backend), old);
  });

  inNamespace(
    `${backend}: a change by somebody else in the middle is seen, and the rules are made over it`,
    async (namespace) => {
      await foreign(namespace, backend, `*nat\n:ISTIO_OUTPUT - [0:0]\n-A OUTPUT -o a -j ISTIO_OUTPUT\nCOMMIT\n`);
      let interfered = false;
      const interfering: Run = async (program, args, input) => {
        if (program === `iptables-${backend}-restore` && input?.includes("-D OUTPUT") && !interfered) {
          interfered = true;
          await namespace.restore("*nat\n-D OUTPUT -o a -j ISTIO_OUTPUT\nCOMMIT\n", program, "--noflush");
        }
        return await namespace.run(program, args, input);
      };
      const made = await capture(interfering, variables);
      assert(interfered && made.use === "iptables" && made.made);
      await using again = await capture(namespace.run, variables);
      assert(again.use === "iptables" && !again.made);
    },
  );
}

inNamespace("the command: dry run, apply, check, cleanup", async (namespace) => {
  const lines: string[] = [];
  const said = () => lines.join("");
  const krun = async (action: string, environment: Record<string, string> = EVERYTHING) => {
    lines.length = 0;
    return await iptablesCommand([action], {
      environment,
      around,
      run: namespace.run,
      print: (text) => lines.push(text),
    });
  };
  await foreign(namespace, "nft", FOREIGN_BEFORE);
  const before = await namespace.saved();
  assert.equal(await krun("--check"), 1);
  assert.match(said(), /^IPv4 mangle ISTIO_DROP: missing/);
  assert.equal(await krun("--apply"), 0);
  assert.equal(said(), "iptables-nft: the rules are made\n");
  const made = await namespace.saved();
  assert.equal(await krun("--apply"), 0);
  assert.equal(said(), "iptables-nft: the rules were there\n");
  assert.equal(await krun("--check"), 0);

  await namespace.must("iptables-nft", "-t", "nat", "-D", "ISTIO_OUTPUT", "-d", "127.0.0.1/32", "-j", "RETURN");
  await namespace.must("ip6tables-nft", "-t", "raw", "-I", "ISTIO_INBOUND", "-i", "eth5", "-j", "RETURN");
  await namespace.must("iptables-nft", "-t", "nat", "-A", "OUTPUT", "-j", "ISTIO_OUTPUT");
  assert.equal(await krun("--check"), 1);
  assert.deepEqual(said().split("\n"), [
    "IPv4 nat ISTIO_OUTPUT: missing -d 127.0.0.1/32 -j RETURN",
    "IPv4 nat OUTPUT: not wanted -j ISTIO_OUTPUT",
    "IPv6 raw ISTIO_INBOUND: not wanted -i eth5 -j RETURN",
    "",
  ]);
  assert.equal(await krun("--apply"), 0);
  assert.equal(await namespace.saved(), made);

  assert.equal(await krun("--cleanup"), 0);
  assert.equal(said(), "iptables-nft: the rules are removed\n");
  assert.equal(await namespace.saved(), before);
  assert.equal(await krun("--cleanup"), 0);
  assert.equal(said(), "no rules are there\n");

  assert.equal(await krun("--dry-run"), 0);
  const [v4 = "", v6 = ""] = said().split("# ip6tables-restore --noflush\n");
  await namespace.restore(v4, "iptables-nft-restore", "--noflush");
  await namespace.restore(v6, "ip6tables-nft-restore", "--noflush");
  assert.equal(await krun("--check"), 0);
  for (const args of [[], ["--apply", "--check"], ["--flush"], ["--apply", "x"]]) {
    await assert.rejects(() => iptablesCommand(args, { environment: {}, print: () => {} }), /--dry-run, --apply/);
  }
});
