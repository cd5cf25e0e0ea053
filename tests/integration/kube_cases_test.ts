/** lib/kube on the emulated API server: the cases that a real one passes too, and the faults that a real one has seldom. */
import assert from "node:assert/strict";
import { Secret } from "../../lib/base/secret.ts";
import {
  apply,
  ConflictError,
  follow,
  keepLease,
  KubeClient,
  type LeaseOptions,
  RESOURCES,
} from "../../lib/kube/mod.ts";
import { createAuthority } from "../emulators/certificates.ts";
import { type KubernetesEmulator, startKubernetes } from "../emulators/kubernetes.ts";
import { configMap, KUBE_CASES, until } from "./kube_cases.ts";

const USER = "system:serviceaccount:istio-system:hgate";
const authority = createAuthority("cluster-ca");

const start = () => startKubernetes({ authority, tokens: { "gate-token": USER }, permissions: [{ subject: USER }] });

const clientOf = (server: KubernetesEmulator) =>
  new KubeClient({
    origin: "the emulator",
    server: server.origin,
    ca: authority.certificatePem,
    authorization: () => Promise.resolve(new Secret("Bearer gate-token")),
  });

for (const { name, run } of KUBE_CASES) {
  Deno.test(`kube: ${name}`, async () => {
    await using server = await start();
    using kube = clientOf(server);
    await run(kube, "n");
  });
}

const selection = { resource: RESOURCES.ConfigMap, namespace: "n" };

Deno.test("kube: 410 lists again, with what was missed; bookmarks carry a quiet watch over it", async () => {
  await using server = await start();
  using kube = clientOf(server);
  await using followed = follow(kube, selection, { firstWaitMs: 5 });
  await followed.synced;
  const lists = () => server.faults.seen(/limit=/).length;
  await until(() => server.objects.watches === 1);
  const seen = followed.status().currentAt;
  server.objects.put("configmaps", { ...configMap("elsewhere", "x", {}) });
  server.objects.forget();
  server.objects.signal("bookmark");
  await until(() => followed.status().currentAt > seen);
  server.objects.signal("end");
  await until(() => server.objects.watches === 1);
  assert.equal(lists(), 1, "the bookmark's version was not forgotten");

  server.faults.add({ match: /watch=true/, status: 503, times: 2 });
  server.objects.signal("end");
  server.objects.put("configmaps", { ...configMap("n", "missed", {}) });
  server.objects.forget();
  await until(() => followed.get("n", "missed") !== undefined);
  assert.equal(lists(), 2);
});

Deno.test("kube: a watch that breaks, answers with an error or with rubbish is tried again, ever more slowly, and said", async () => {
  await using server = await start();
  using kube = clientOf(server);
  const troubles: string[] = [];
  const waits: number[] = [];
  server.faults.add(
    { match: /watch=true/, action: "reset", times: 1 },
    { match: /watch=true/, status: 500, body: "{}", times: 1 },
    { match: /watch=true/, body: '{"type":"ADDED","object":{"metadata":{"name":7}}}\n', times: 1 },
    { match: /watch=true/, body: "no event\n", times: 1 },
    { match: /watch=true/, body: "", times: 1 },
  );
  await using followed = follow(kube, selection, {
    firstWaitMs: 4,
    random: () => 0.5,
    onTrouble: (error, waitMs) => {
      troubles.push(error.message.split("got: ").at(-1)!.split("\n")[0]!);
      waits.push(waitMs);
    },
  });
  await followed.synced;
  await until(() => server.objects.watches === 1);
  server.objects.put("configmaps", { ...configMap("n", "after", {}) });
  await until(() => followed.get("n", "after") !== undefined);
  assert.equal(troubles.length, 5, troubles.join("\n"));
  assert.match(troubles[1]!, /^500/);
  assert.match(troubles[2]!, /metadata\.name: expected string/);
  assert.match(troubles[3]!, /no JSON/);
  assert.match(troubles[4]!, /ended at once/);
  assert.deepEqual(waits, [3, 6, 12, 24, 48]);
  assert.equal(followed.status().trouble, undefined);
});

Deno.test("kube: a set that is watched again is known to be whole, though nothing happens in it", async () => {
  await using server = await start();
  using kube = clientOf(server);
  let clock = 1_000;
  server.faults.add({ match: /watch=true/, action: "reset", times: 3 });
  await using followed = follow(kube, selection, { firstWaitMs: 4, now: () => clock++ });
  await followed.synced;
  const listedAt = followed.status().currentAt;
  await until(() => server.objects.watches === 1);
  await until(() => followed.status().currentAt > listedAt);
  assert.equal(followed.status().trouble, undefined);
});

Deno.test("kube: a set that may not be read stays open, says which right is missing, and comes when it is given", async () => {
  await using server = await start();
  server.state.permissions = [{ subject: USER, verb: "watch" }];
  using kube = clientOf(server);
  const troubles: string[] = [];
  await using followed = follow(kube, { resource: RESOURCES.Sidecar }, {
    firstWaitMs: 5,
    onTrouble: (error) => troubles.push(error.message),
  });
  await until(() => troubles.length > 0);
  assert.match(troubles[0]!, /cannot list resource "sidecars" in API group "networking.istio.io" at the cluster scope/);
  assert.equal(followed.status().synced, false);
  server.state.permissions = [{ subject: USER }];
  await followed.synced;
});

Deno.test("kube: a watch left alone is closed with its connection", async () => {
  await using server = await start();
  using kube = clientOf(server);
  {
    await using _followed = follow(kube, selection);
    await until(() => server.objects.watches === 1);
  }
  await until(() => server.objects.watches === 0);
});

Deno.test("kube: what is not there wants the right to create", async () => {
  await using server = await start();
  server.state.permissions = [{ subject: USER, verb: "patch" }];
  using kube = clientOf(server);
  await assert.rejects(apply(kube, configMap("n", "m", {})), /cannot create resource "configmaps"/);
  server.objects.put("configmaps", { ...configMap("n", "m", { A: "1" }) });
  await assert.rejects(apply(kube, configMap("n", "m", { A: "2" })), ConflictError);
});

/** Time that only the test moves. */
function clock() {
  let at = 0;
  return { now: () => at, add: (ms: number) => at += ms };
}

const LEASE = { namespace: "n", name: "hgate", everyMs: 5 } satisfies Partial<LeaseOptions>;
const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

Deno.test("lease: a holder that is gone is followed after its whole duration as the candidate saw it, whatever the clocks say", async () => {
  await using server = await start();
  using kube = clientOf(server);
  const spec = (renewTime: string) => ({
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { namespace: "n", name: "hgate" },
    spec: { holderIdentity: "gone", leaseDurationSeconds: 15, renewTime, leaseTransitions: 3 },
  });
  server.objects.put("leases", spec("1999-01-01T00:00:00.000000Z")); // by its time long over: not believed
  const time = clock();
  const leading = Promise.withResolvers<void>();
  await using lease = keepLease(kube, { ...LEASE, identity: "next", monotonicNow: time.now }, (signal) => {
    leading.resolve();
    return untilAborted(signal);
  });
  const looks = () => server.faults.seen(/^GET .*leases/).length;
  await until(() => looks() > 3);
  assert.equal(lease.isHeld(), false);
  time.add(14_999);
  const before = looks();
  await until(() => looks() > before + 2);
  assert.equal(lease.isHeld(), false);
  server.objects.put("leases", spec("1999-01-01T00:00:01.000000Z")); // it lives: from the start again
  const then = looks();
  await until(() => looks() > then + 2);
  time.add(14_999);
  const last = looks();
  await until(() => looks() > last + 2);
  assert.equal(lease.isHeld(), false);
  time.add(1);
  await leading.promise;
  assert.equal(lease.holder(), "next");
  const stored = server.objects.row("leases", "n", "hgate")!.object["spec"] as Record<string, unknown>;
  assert.equal(stored["leaseTransitions"], 4);
  assert.match(stored["renewTime"] as string, /\.\d{6}Z$/);
});

Deno.test("lease: who cannot renew stops before another may begin, and knows it without a timer", async () => {
  await using server = await start();
  using kube = clientOf(server);
  const time = clock();
  const leading = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  await using lease = keepLease(
    kube,
    { ...LEASE, identity: "me", renewWithinMs: 300, monotonicNow: () => time.now() + performance.now() },
    async (signal) => {
      leading.resolve();
      await untilAborted(signal);
      ended.resolve();
    },
  );
  await leading.promise;
  assert.equal(lease.isHeld(), true);
  server.faults.add({ match: /leases/, action: "hang" });
  await ended.promise;
  assert.equal(lease.isHeld(), false);
  server.faults.clear();
  await until(() => lease.isHeld());
  time.add(300); // the process slept
  assert.equal(lease.isHeld(), false);
});

Deno.test("lease: of ten that want it, never do two work", async () => {
  await using server = await start();
  using kube = clientOf(server);
  let working = 0;
  let most = 0;
  const led = new Set<string>();
  const leases = Array.from(
    { length: 10 },
    (_, at) =>
      keepLease(kube, { ...LEASE, identity: `pod-${at}` }, async (signal) => {
        most = Math.max(most, ++working);
        led.add(`pod-${at}`);
        await untilAborted(signal);
        working--;
      }),
  );
  for (let round = 0; round < 5; round++) {
    await until(() => leases.some((lease) => lease.isHeld()));
    await leases.splice(leases.findIndex((lease) => lease.isHeld()), 1)[0]![Symbol.asyncDispose]();
  }
  for (const lease of leases) await lease[Symbol.asyncDispose]();
  assert.equal(most, 1);
  assert(led.size >= 5);
});
