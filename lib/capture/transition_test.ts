import assert from "node:assert/strict";
import { canonical } from "./canonical.ts";
import { differences } from "./differences.ts";
import { dnsServers } from "./resolv_conf.ts";
import { NO_RULES, rulesFor } from "./rules.ts";
import { NOTHING_SAVED, parseSaved } from "./saved.ts";
import { captureSettings } from "./settings.ts";
import { ownPart, transition } from "./transition.ts";

Deno.test("canonical: what is written and what versions of iptables-save print", () => {
  const same = [
    [
      "-p tcp --dport 53 -d 10.0.0.10 -j REDIRECT --to-port 15053",
      "-d 10.0.0.10/32 -p tcp -m tcp --dport 53 -j REDIRECT --to-ports 15053",
    ],
    [
      "-m owner ! --gid-owner 5 -m owner ! --gid-owner 6 -j RETURN",
      "-m owner ! --gid-owner 6 ! --gid-owner 5 -j RETURN",
    ],
    ["-o lo ! -d ::1 -j RETURN", "! -d ::1/128 -o lo -j RETURN"],
  ];
  for (const [one, other] of same) assert.equal(canonical(one!), canonical(other!));
  const different = [
    ["-o lo -m owner ! --uid-owner 1 -j RETURN", "-o lo -m owner --uid-owner 1 -j RETURN"],
    ["-p tcp --dport 53 -j RETURN", "-p tcp --sport 53 -j RETURN"],
    ["-j CT --zone 1", "-j CT --zone 2"],
    ["-m limit --limit 1/s -j RETURN", "-j RETURN"],
  ];
  for (const [one, other] of different) assert.notEqual(canonical(one!), canonical(other!));
});

const FOREIGN = `# Generated
*nat
:PREROUTING ACCEPT [1:2]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:ISTIO_OUTPUT - [0:0]
:ISTIO_REDIRECT - [0:0]
[5:6] -A OUTPUT -m comment --comment "a \\"-j ISTIO_OUTPUT\\" b" -j DOCKER
-A OUTPUT -j ISTIO_OUTPUT
-A OUTPUT -j ISTIO_OUTPUT
-A DOCKER -p tcp -m tcp --dport 1 -j ISTIO_REDIRECT
-A ISTIO_OUTPUT -j RETURN
COMMIT
`;

Deno.test("transition: from nothing, from the same, from others' rules, to nothing", () => {
  const settings = captureSettings({ OUTBOUND_PORTS_EXCLUDE: "" });
  const rules = rulesFor(4, settings, dnsServers(""));
  const text = transition(NOTHING_SAVED, rules);
  assert.match(text, /^\*nat\n:ISTIO_OUTPUT - \[0:0\]\n[^*]*-A OUTPUT -j ISTIO_OUTPUT\nCOMMIT\n$/);
  // What restore is fed is what save prints, but for the built-in chains.
  assert.equal(transition(parseSaved(text), rules), "");
  assert.equal(transition(NOTHING_SAVED, NO_RULES), "");
  const again = transition(parseSaved(FOREIGN), rules).split("\n");
  assert.equal(again.filter((line) => line === "-D OUTPUT -j ISTIO_OUTPUT").length, 2);
  assert.equal(again.filter((line) => line === "-A OUTPUT -j ISTIO_OUTPUT").length, 1);
  assert(!again.some((line) => line.includes("DOCKER")));
  // Somebody's chain leads to ISTIO_REDIRECT, so that one is only emptied.
  assert.deepEqual(transition(parseSaved(FOREIGN), NO_RULES).split("\n"), [
    "*nat",
    ":ISTIO_OUTPUT - [0:0]",
    ":ISTIO_REDIRECT - [0:0]",
    "-D OUTPUT -j ISTIO_OUTPUT",
    "-D OUTPUT -j ISTIO_OUTPUT",
    "-X ISTIO_OUTPUT",
    "COMMIT",
    "",
  ]);
});

Deno.test("transition: back to what was ours before, jumps at their places", () => {
  const before = parseSaved(
    FOREIGN.replace("-A OUTPUT -j ISTIO_OUTPUT\n-A OUTPUT", "-A OUTPUT -o a+ -j ISTIO_OUTPUT\n-A OUTPUT"),
  );
  const now = parseSaved("*nat\n:DOCKER - [0:0]\n-A OUTPUT -j DOCKER\n-A OUTPUT -j ACCEPT\nCOMMIT\n");
  const text = transition(now, ownPart(before));
  assert.match(
    text,
    /-A ISTIO_OUTPUT -j RETURN\n-I OUTPUT 2 -o a\+ -j ISTIO_OUTPUT\n-I OUTPUT 3 -j ISTIO_OUTPUT\nCOMMIT/,
  );
  const shorter = parseSaved("*nat\nCOMMIT\n");
  assert.match(transition(shorter, ownPart(before)), /\n-A OUTPUT -o a\+ -j ISTIO_OUTPUT\n/);
});

Deno.test("differences: missing, not wanted, in another order", () => {
  const table = (...rules: string[]) => ({ nat: { chains: { ISTIO_OUTPUT: rules }, jumps: [] } });
  const [a, b] = ["-o lo -j RETURN", "-p tcp -j RETURN"];
  assert.deepEqual(differences(4, table(a!, b!), table(a!, b!)), []);
  assert.deepEqual(differences(4, table(a!), table(a!, b!)), ["IPv4 nat ISTIO_OUTPUT: missing -p tcp -j RETURN"]);
  assert.deepEqual(differences(6, table(a!, a!), table(a!)), ["IPv6 nat ISTIO_OUTPUT: not wanted -o lo -j RETURN"]);
  assert.deepEqual(differences(4, table(b!, a!), table(a!, b!)), ["IPv4 nat ISTIO_OUTPUT: in another order"]);
  assert.deepEqual(differences(4, NO_RULES, table(a!)), ["IPv4 nat ISTIO_OUTPUT: missing, rules in it: 1"]);
});
