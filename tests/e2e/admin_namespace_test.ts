/** setup-namespace and teardown-namespace on a real API server with RBAC and Istio's kinds; Google's APIs are emulated. */
import assert from "node:assert/strict";
import { command as setup } from "../../cmd/setup_namespace.ts";
import { command as teardown } from "../../cmd/teardown_namespace.ts";
import { hooked, type RequestHooks } from "../integration/admin_requests.ts";
import { type AdminWorld, PROJECT, runCommand, startAdminWorld } from "../integration/admin_world.ts";
import { Cluster } from "./cluster.ts";

const kubeconfig = Deno.env.get("KUBECONFIG") ?? "";
const cluster = new Cluster(kubeconfig);
const NEW = "admin-new";
const LIVED = "admin-lived";
const KINDS =
  "configmaps,secrets,serviceaccounts,roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io," +
  "workloadgroups.networking.istio.io,services,deployments.apps";

interface Item {
  metadata: Record<string, unknown> & { managedFields?: { time?: string }[] };
}

/** All of a namespace that a command may change, owners of fields too, without what differs by time. */
async function stateOf(namespace: string): Promise<unknown> {
  const own = await cluster.tryKubectl("get", "namespace", namespace, "-o", "json", "--show-managed-fields");
  if (own.code !== 0) return "none";
  const { items } = await cluster.get<{ items: Item[] }>("-n", namespace, KINDS, "--show-managed-fields");
  const constant = ({ metadata, ...item }: Item & { status?: unknown }) => {
    const { resourceVersion: _, uid: _uid, creationTimestamp: _time, managedFields = [], ...kept } = metadata;
    const { status: _status, ...rest } = item;
    return { ...rest, metadata: kept, owners: managedFields.map(({ time: _, ...owner }) => owner) };
  };
  return [constant(JSON.parse(own.stdout)), ...items.filter((item) => !isElection(item)).map(constant)];
}

/** Who leads is written anew every few seconds. */
function isElection({ metadata }: Item): boolean {
  return Object.hasOwn((metadata["annotations"] ?? {}) as object, "control-plane.alpha.kubernetes.io/leader");
}

const states = async () => [await stateOf(NEW), await stateOf(LIVED), await stateOf("istio-system")];

async function run(
  world: AdminWorld,
  command: typeof setup,
  args: string[],
  hooks: RequestHooks & { signal?: AbortSignal } = {},
) {
  const { fetch, sent } = hooked(world, hooks);
  const { signal } = hooks;
  const environment = { ...world.environment, KUBECONFIG: kubeconfig };
  const outcome = await runCommand(world, command, args, {
    environment,
    fetch,
    timeoutMs: 120_000,
    ...(signal ? { signal } : {}),
  });
  return { outcome, sent, failed: outcome.steps.filter(({ state }) => state === "failed" || state === "not done") };
}

async function complete(world: AdminWorld, command: typeof setup, ...args: string[]) {
  const ran = await run(world, command, args);
  assert.deepEqual(ran.failed, []);
  return ran;
}

Deno.test({
  name: "a namespace is set up and taken back on a real API server, from every write on",
  async fn(t) {
    await using world = await startAdminWorld();
    await cluster.apply(
      { apiVersion: "v1", kind: "Namespace", metadata: { name: LIVED, labels: { "istio.io/rev": "theirs" } } },
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "app", namespace: LIVED } },
    );
    try {
      await new Promise((resolve) => setTimeout(resolve, 2_000)); // controllers fill it
      const before = await states();
      const args = [LIVED, "--ksa", "app"];

      await t.step("new: set up, again, used, refused while something else is in it, taken back", async () => {
        await complete(world, setup, NEW);
        const again = await complete(world, setup, NEW);
        assert(again.outcome.steps.every(({ action }) => action === "none"));
        const user = `k8s-${NEW}@${PROJECT}.iam.gserviceaccount.com`;
        const may = async (...words: string[]) =>
          (await cluster.tryKubectl("auth", "can-i", ...words, "--as", user)).stdout.trim() === "yes";
        assert(await may("create", "serviceaccounts/default", "--subresource=token", "-n", NEW));
        assert(await may("get", "configmaps/mesh-env", "-n", NEW));
        assert(await may("get", "configmaps/mesh-env", "-n", "istio-system"));
        assert.equal(await may("get", "configmaps/istio-ca-root-cert", "-n", NEW), false);
        await cluster.kubectl("-n", NEW, "create", "secret", "generic", "theirs");
        await assert.rejects(run(world, teardown, [NEW]), /it holds what would go with it: Secret\/theirs\n/);
        await cluster.kubectl("-n", NEW, "delete", "secret", "theirs");
        await complete(world, teardown, NEW);
        assert.deepEqual(await states(), before);
      });

      await t.step("a person's: cut off after each write, then undone, or completed and undone", async () => {
        const whole = await complete(world, setup, ...args);
        const after = await states();
        await complete(world, teardown, LIVED);
        assert.deepEqual(await states(), before);
        const writes = whole.sent.filter(({ isWrite }) => isWrite).length;
        assert(writes > 6, String(writes));
        for (let cut = 1; cut <= writes; cut++) {
          for (const completes of [false, true]) {
            const ending = new AbortController();
            let seen = 0;
            await run(world, setup, args, {
              signal: ending.signal,
              after: ({ isWrite }) => isWrite && ++seen === cut && ending.abort(new Error("cut off")),
            });
            if (completes) {
              await complete(world, setup, ...args);
              assert.deepEqual(await states(), after, `completed after write ${cut}`);
            }
            await complete(world, teardown, LIVED);
            assert.deepEqual(await states(), before, `undone after write ${cut}`);
          }
        }
      });

      await t.step("a person's Role of that name is in the way, by whom is said, and nothing is changed", async () => {
        await cluster.kubectl("-n", LIVED, "create", "role", `gsa-${PROJECT}`, "--verb=get", "--resource=pods");
        const there = await states();
        await assert.rejects(run(world, setup, args), /got: \.rules belongs to kubectl-create/);
        assert.deepEqual(await states(), there);
      });
    } finally {
      await cluster.kubectl("delete", "namespace", LIVED, NEW, "--ignore-not-found", "--wait=false");
      const names = [NEW, LIVED].map((namespace) => `krun-${namespace}`);
      await cluster.kubectl("-n", "istio-system", "delete", "role,rolebinding", ...names, "--ignore-not-found");
    }
  },
});
