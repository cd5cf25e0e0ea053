import assert from "node:assert/strict";
import { createAuthority } from "../../../../tests/emulators/certificates.ts";
import type { KubeObject } from "../../../kube/mod.ts";
import type { Verdict } from "../finding.ts";
import type { Place } from "../place.ts";
import type { TcpLook } from "../tcp_look.ts";
import type { TlsLook } from "../tls_look.ts";
import { certificateVerdict } from "./certificate.ts";
import { skewVerdict } from "./google.ts";
import { keysVerdict, rootsVerdict } from "./mesh_env.ts";
import { grants } from "./namespace.ts";
import { isPrivate, portVerdict } from "./port.ts";
import { timeoutVerdict } from "./registration.ts";
import { invokerVerdict } from "./service.ts";

const NOW = Date.now();
const DAY_MS = 86_400_000;
const words = ({ state, seen, fix }: Verdict) => `${state} ${seen}${fix ? ` | ${fix}` : ""}`;

Deno.test("verdict: clocks", () => {
  const cases: [google: number | undefined, cluster: number | undefined, expected: RegExp][] = [
    [undefined, undefined, /^skip nothing that tells the time/],
    [400, undefined, /^pass Google is in step$/],
    [30_000, -29_000, /^pass Google is 30 s ahead, the API server is 29 s behind$/],
    [30_001, 0, /^warn .*timedatectl/],
    [undefined, 31_000, /^warn .*timedatectl/],
    [-300_001, -300_001, /^fail Google is 300 s behind.*timedatectl/],
    [200, 400_000, /^fail .*the API server is 400 s ahead \| set the clock of the cluster/],
  ];
  for (const [google, cluster, expected] of cases) assert.match(words(skewVerdict(google, cluster)), expected);
});

Deno.test("verdict: a server's certificate", () => {
  const leaf = (notAfter: number, isForName = true): TlsLook["leaf"] => ({
    subject: "CN=x",
    names: ["a.example"],
    notAfter,
    isForName,
  });
  const cases: [TlsLook, RegExp][] = [
    [{ leaf: leaf(NOW + 90 * DAY_MS), refusal: undefined }, /^pass for b\.example, ends in 90 days$/],
    [{ leaf: leaf(NOW + 3 * DAY_MS), refusal: undefined }, /^warn for b\.example, ends in 3 days \| renew$/],
    [{ leaf: leaf(NOW - 3 * DAY_MS), refusal: "Expired" }, /^fail it ended 3 days ago \| renew$/],
    [
      { leaf: leaf(NOW + 9 * DAY_MS, false), refusal: "NotValidForName" },
      /^fail it is for a\.example, not for b\.example \| name$/,
    ],
    [{ leaf: leaf(NOW + 9 * DAY_MS), refusal: "UnknownIssuer" }, /^fail it is not trusted: UnknownIssuer \| roots$/],
    [
      { leaf: leaf(NOW + 9 * DAY_MS, false), refusal: "UnknownIssuer" },
      /^fail it is not trusted: UnknownIssuer \| roots$/,
    ],
    // Deno 2.6 shows no names: the handshake has the last word.
    [{ leaf: leaf(NOW + 90 * DAY_MS, false), refusal: undefined }, /^pass for b\.example, ends in 90 days$/],
    [{ leaf: undefined, refusal: "UnknownIssuer" }, /^fail it is not trusted/],
    [{ leaf: undefined, refusal: undefined }, /^pass for b\.example$/],
  ];
  const fix = { renew: "renew", roots: "roots", name: "name" };
  for (const [look, expected] of cases) {
    assert.match(words(certificateVerdict(look, { name: "b.example", now: NOW, warnMs: 7 * DAY_MS, fix })), expected);
  }
});

Deno.test("verdict: a port, from where it is looked at", () => {
  const look = (address: string, outcome: TcpLook["outcome"], why?: string): TcpLook => ({
    address,
    outcome,
    ...(why ? { why } : {}),
  });
  const cases: [TcpLook, Place, RegExp][] = [
    [look("10.0.0.9:15442", "open"), "laptop", /^pass 10\.0\.0\.9:15442$/],
    [look("10.0.0.9:15442", "refused", "Connection refused"), "laptop", /^fail .*refused \| fix$/],
    [look("10.0.0.9:15442", "silent", "no answer"), "laptop", /^warn .*address of the VPC.* \| look from inside/],
    [look("34.1.2.3:15012", "silent", "no answer"), "laptop", /^warn 34\.1\.2\.3:15012: no answer \| fix$/],
    [look("10.0.0.9:15442", "silent", "no answer"), "krun", /^fail .*no answer \| fix$/],
    [look("10.0.0.9:15442", "silent"), "hgate", /^fail 10\.0\.0\.9:15442: silent/],
  ];
  for (const [given, place, expected] of cases) assert.match(words(portVerdict(given, place, "fix")), expected);
  for (
    const one of [
      "10.1.2.3:1",
      "192.168.0.1:1",
      "172.16.0.1:1",
      "172.31.9.9:1",
      "100.64.0.1:1",
      "127.0.0.1:1",
      "[fd00::1]:1",
    ]
  ) {
    assert(isPrivate(one), one);
  }
  for (const one of ["11.1.2.3:1", "172.32.0.1:1", "100.63.0.1:1", "8.8.8.8:1", "[2600::1]:1"]) {
    assert(!isPrivate(one), one);
  }
});

Deno.test("verdict: keys of mesh-env, by use", () => {
  const whole = {
    IMCON_ADDR: "10.0.0.9",
    CAROOT_ISTIOD: "x",
    PROJECT_ID: "p",
    CLUSTER_NAME: "c",
    CLUSTER_LOCATION: "l",
  };
  const without = (...keys: string[]) =>
    Object.fromEntries(Object.entries(whole).filter(([key]) => !keys.includes(key)));
  const cases: [
    own: Record<string, string> | undefined,
    system: Record<string, string> | undefined,
    expected: RegExp,
  ][] = [
    [undefined, whole, /^pass 5 keys$/],
    [{ IMCON_ADDR: "10.0.0.8" }, without("IMCON_ADDR"), /^pass/],
    [undefined, { ...without("IMCON_ADDR"), MCON_ADDR: "34.1.2.3" }, /^pass/],
    [undefined, without("IMCON_ADDR"), /^fail no IMCON_ADDR or MCON_ADDR or XDS_ADDR \(where the control plane is\)/],
    [undefined, without("IMCON_ADDR", "PROJECT_ID"), /^fail no IMCON.*, PROJECT_ID \(the trust domain/],
    [
      undefined,
      without("CLUSTER_NAME"),
      /^warn no CLUSTER_NAME \(the cluster's name in telemetry\) \| kubectl -n istio-system/,
    ],
    [without("CLUSTER_NAME"), undefined, /^warn .*\| kubectl -n shop edit/],
    [undefined, { ...whole, CAROOT_ISTIOD: "" }, /^fail no CAROOT_ISTIOD/],
    [undefined, { ...without("IMCON_ADDR", "CAROOT_ISTIOD"), MESH_TENANT: "t", PROJECT_NUMBER: "1" }, /^pass/],
    [undefined, { ...without("IMCON_ADDR", "CAROOT_ISTIOD"), MESH_TENANT: "t" }, /^fail no PROJECT_NUMBER/],
    [undefined, { ...without("IMCON_ADDR"), MESH_TENANT: "-" }, /^fail no IMCON_ADDR/],
  ];
  for (const [own, system, expected] of cases) {
    assert.match(words(keysVerdict({ own, system, refused: [] }, "shop")), expected);
  }
});

Deno.test("verdict: roots of mesh-env", () => {
  const authority = createAuthority("root");
  const ends = (days: number) => authority.issue({ commonName: "r", lifetimeSeconds: days * 86_400 }).certificatePem;
  const cases: [data: Record<string, string>, expected: RegExp][] = [
    [{}, /^skip none/],
    [{ CAROOT_ISTIOD: authority.certificatePem }, /^pass it ends in 36\d\d days$/],
    [{ CAROOT_ISTIOD: authority.certificatePem + ends(40) }, /^pass the first of 2 ends in (39|40) days$/],
    [{ CAROOT_ISTIOD: authority.certificatePem, CAROOT_CAS: ends(10) }, /^warn the first of 2 ends in (9|10) days/],
    [{ CAROOT_ISTIOD: authority.certificatePem + ends(-10) }, /^fail CAROOT_ISTIOD ended 10 days ago/],
    [{ CAROOT_ISTIOD: "no" }, /^fail CAROOT_ISTIOD is no PEM certificate/],
    [
      { CAROOT_CAS: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
      /^fail CAROOT_CAS has a certificate that cannot be read/,
    ],
  ];
  for (const [system, expected] of cases) {
    assert.match(words(rootsVerdict({ own: undefined, system, refused: [] }, NOW)), expected);
  }
});

Deno.test("verdict: what a Role grants", () => {
  const right = { verb: "create", group: "", resource: "serviceaccounts", subresource: "token", name: "default" };
  const role = (...rules: object[]) =>
    ({ apiVersion: "v1", kind: "Role", metadata: { name: "r" }, rules }) satisfies KubeObject;
  const rule = { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] };
  const cases: [KubeObject, boolean][] = [
    [role(), false],
    [role(rule), true],
    [role({ ...rule, resourceNames: ["default"] }), true],
    [role({ ...rule, resourceNames: ["other"] }), false],
    [role({ ...rule, verbs: ["get"] }), false],
    [role({ ...rule, verbs: ["*"], resources: ["*"], apiGroups: ["*"] }), true],
    [role({ ...rule, resources: ["*/token"] }), true],
    [role({ ...rule, resources: ["serviceaccounts"] }), false],
    [role({ ...rule, apiGroups: ["apps"] }), false],
    [role({ ...rule, verbs: ["get"] }, rule), true],
  ];
  for (const [given, expected] of cases) assert.equal(grants(given, right), expected, JSON.stringify(given["rules"]));
});

Deno.test("verdict: who may call the service", () => {
  const gate = "hgate@p.iam.gserviceaccount.com";
  const member = `serviceAccount:${gate}`;
  const policy = (...bindings: { role: string; members: string[]; condition?: { title: string } }[]) => ({ bindings });
  const invoker = (members: string[], condition?: { title: string }) => ({
    role: "roles/run.invoker",
    members,
    ...(condition ? { condition } : {}),
  });
  const cases: [
    policies: Parameters<typeof invokerVerdict>[0],
    account: string | undefined,
    expected: RegExp | undefined,
  ][] = [
    [[policy(invoker([member]))], gate, /^pass hgate@p/],
    [[policy(), policy(invoker([member]))], gate, /^pass/],
    [[policy({ role: "roles/run.admin", members: [member] })], gate, /^pass/],
    [[policy({ role: "roles/viewer", members: [member] })], gate, /^fail .* may not \| grant serviceAccount:hgate@/],
    [[policy(invoker(["allUsers"]))], gate, /^pass it is open to allUsers/],
    [[policy(invoker(["allUsers"]))], undefined, /^pass it is open to allUsers/],
    [[policy(invoker([member], { title: "t" }))], gate, /^warn .*under a condition alone \| grant/],
    [[policy(invoker(["allUsers"], { title: "t" }))], gate, /^fail/],
    [[policy(invoker(["principal://iam/x"]))], "principal://iam/x", /^pass/],
    [[policy()], undefined, undefined],
  ];
  for (const [policies, account, expected] of cases) {
    const verdict = invokerVerdict(policies, account, (whom) => `grant ${whom}`);
    if (expected) assert.match(words(verdict!), expected);
    else assert.equal(verdict, undefined);
  }
});

Deno.test("verdict: how long a connection is used", () => {
  const cases: [duration: string | undefined, timeoutMs: number, expected: RegExp][] = [
    ["240s", 300_000, /^pass 240 s of 300 s$/],
    ["4m0s", 300_000, /^pass 240 s of 300 s$/],
    ["100s", 300_000, /^pass 100 s/],
    ["0.5s", 1_000, /^pass 0\.5 s of 1 s$/],
    ["250s", 300_000, /^warn 250 s of 300 s, 240 s leaves time/],
    ["300s", 300_000, /^fail 300 s of 300 s: requests in flight are cut \| register$/],
    ["1h", 300_000, /^fail 3600 s of 300 s/],
    [undefined, 300_000, /^warn no maxConnectionDuration; tunnels end after 300 s/],
    ["soon", 300_000, /^warn maxConnectionDuration is soon/],
  ];
  for (const [duration, timeoutMs, expected] of cases) {
    assert.match(words(timeoutVerdict(duration, timeoutMs, "register")), expected);
  }
});
