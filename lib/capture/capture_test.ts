/** The pure parts, as tables: nothing here needs root. */
import assert from "node:assert/strict";
import { Problem, UsageError } from "../base/errors.ts";
import { lookOnce } from "./capture.ts";
import { type CaptureMode, decideCapture, decideUnseen } from "./decide.ts";
import { capturesIpv6 } from "./ipv6.ts";
import { reasonOfOutput, summary } from "./refusal.ts";
import { dnsServers } from "./resolv_conf.ts";
import { rulesFor } from "./rules.ts";
import { captureSettings } from "./settings.ts";

Deno.test("rules: a family without a DNS server keeps its DNS; its table raw is left alone", () => {
  const settings = captureSettings({ ISTIO_META_DNS_CAPTURE: "1" });
  const servers = dnsServers("nameserver 10.0.0.10");
  assert.deepEqual(Object.keys(rulesFor(4, settings, servers)), ["nat", "raw"]);
  assert.deepEqual(Object.keys(rulesFor(6, settings, servers)), ["nat"]);
  assert.equal(rulesFor(6, settings, servers).nat?.chains["ISTIO_OUTPUT_DNS"], undefined);
  assert.deepEqual(Object.keys(rulesFor(4, settings, dnsServers(""))), ["nat"]);
});

Deno.test("rules: every one of a built-in chain leads into one of ours", () => {
  const settings = captureSettings({
    ISTIO_META_DNS_CAPTURE: "1",
    CAPTURE_ALL_DNS: "1",
    INBOUND_PORTS_INCLUDE: "*",
    EXCLUDE_INTERFACES: "eth1",
    KUBE_VIRT_INTERFACES: "kv0",
    DROP_INVALID: "1",
  });
  for (const table of Object.values(rulesFor(4, settings, dnsServers("")))) {
    for (const { rule } of table!.jumps) assert.match(rule, /-j ISTIO_\w+$/);
  }
});

Deno.test("IPv6: captured where Envoy listens on it", () => {
  const rows: [string[], boolean, boolean][] = [
    [["127.0.0.1", "10.0.0.2", "::1", "fd00::2"], false, false],
    [["127.0.0.1", "10.0.0.2", "::1", "fd00::2"], true, true],
    [["127.0.0.1", "::1", "fe80::1", "fd00::2"], false, true],
    [["127.0.0.1", "169.254.8.1", "fd00::2"], false, true],
    [["127.0.0.1", "10.0.0.2", "fe80::1"], true, false],
    [[], true, false],
  ];
  for (const [addresses, dualStack, expected] of rows) {
    assert.equal(capturesIpv6({ ipv6: "auto", dualStack }, addresses), expected, `${addresses} ${dualStack}`);
  }
  assert.equal(capturesIpv6({ ipv6: "on", dualStack: false }, []), true);
  assert.equal(capturesIpv6({ ipv6: "off", dualStack: true }, ["fd00::2"]), false);
});

Deno.test("decide: every mode with and without a back end", () => {
  const works = { backend: { name: "nft" as const, ipv6: true } };
  const fails = { because: "iptables-nft: no" };
  const use = (mode: CaptureMode, probe: typeof works | typeof fails, interception?: string) =>
    decideCapture(mode, probe, interception).use;
  assert.equal(use("none", works), "none");
  assert.equal(use("whitebox", works), "whitebox");
  assert.equal(use("auto", works), "iptables");
  assert.equal(use("auto", works, "REDIRECT"), "iptables");
  assert.equal(use("auto", works, "none"), "whitebox");
  assert.equal(use("required", works), "iptables");
  assert.deepEqual(decideCapture("auto", fails), {
    use: "whitebox",
    because: "iptables cannot be used: iptables-nft: no",
  });
  assert.throws(() => use("required", fails), (error) => error instanceof Problem && error.got === fails.because);
  assert.throws(() => use("required", works, "NONE"), UsageError);
  assert.throws(() => use("auto", works, "TPROXY"), UsageError);
});

Deno.test("refusal: one line, with the rule that iptables does not take", () => {
  const output = (stderr: string) => ({ code: 2, stdout: "", stderr });
  assert.equal(
    reasonOfOutput(
      output(
        "iptables-restore v1.8.9 (legacy): Couldn't load target `X':No such file or directory\n\nError occurred at line: 2\nTry `iptables-restore -h'",
      ),
      "*nat\n-A OUTPUT -j X\nCOMMIT",
    ),
    "Couldn't load target `X':No such file or directory in \"-A OUTPUT -j X\"",
  );
  assert.equal(reasonOfOutput(output("")), "exit code 2");
  const nft = { program: "iptables-nft", reason: "Permission denied (you must be root)" };
  assert.equal(
    summary([nft, { ...nft, program: "iptables" }, { program: "iptables-legacy", reason: "not installed" }]),
    "it needs root with NET_ADMIN and a kernel with netfilter (iptables-nft and iptables: Permission denied (you must be root))",
  );
  assert.equal(summary([{ program: "iptables", reason: "not installed" }]), "iptables not installed");
});

Deno.test("a look: once for each preference, and no program is run without the permission", async () => {
  const programs: string[] = [];
  const run = (program: string) => {
    programs.push(program);
    return Promise.resolve(undefined);
  };
  assert.deepEqual(await lookOnce(run, () => false)("auto"), { because: "it needs root with NET_ADMIN" });
  assert.deepEqual(programs, []);
  const look = lookOnce(run, () => true);
  await Promise.all([look("nft"), look("nft")]);
  const once = programs.length;
  await look("nft");
  assert.equal(programs.length, once);
  await look("auto");
  assert(programs.length > once);
});

Deno.test("decide: rules tell the proxy from the app by its user; where both have one, there can be none", () => {
  assert.equal(decideUnseen("auto", undefined, true), undefined);
  assert.equal(decideUnseen("none", undefined, false)?.use, "none");
  assert.deepEqual(decideUnseen("auto", undefined, false), {
    use: "whitebox",
    because: "iptables cannot be used: the app and the proxy run as one user, so that no rule can tell them apart",
  });
  assert.throws(() => decideUnseen("required", undefined, false), Problem);
});
