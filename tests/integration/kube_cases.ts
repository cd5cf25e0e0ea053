/** What lib/kube must do with any API server: run against the emulated one, and end to end against a real one. */
import assert from "node:assert/strict";
import { HttpError } from "../../lib/base/http.ts";
import {
  apply,
  ConflictError,
  follow,
  type Followed,
  get,
  keepLease,
  type KubeClient,
  type KubeObject,
  listAll,
  nameOf,
  ownedData,
  remove,
  RESOURCES,
} from "../../lib/kube/mod.ts";

export interface KubeCase {
  name: string;
  /** `namespace` is empty and the case's own. */
  run(kube: KubeClient, namespace: string): Promise<void>;
}

export const configMap = (
  namespace: string,
  name: string,
  data: Record<string, string>,
  labels?: Record<string, string>,
): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace, name, ...(labels ? { labels } : {}) },
  data,
});

const dataOf = (object: KubeObject | undefined) => object?.["data"];

/** Resolves as soon as `look` is true. */
export async function until(look: () => boolean | Promise<boolean>, limitMs = 10_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!await look()) {
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${look}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const names = (followed: Followed) => followed.items().map(({ metadata }) => metadata.name).sort().join(" ");

export const KUBE_CASES: KubeCase[] = [
  {
    name: "a list comes page by page, with kinds",
    async run(kube, namespace) {
      for (const name of ["a", "b", "c"]) await apply(kube, configMap(namespace, name, {}, { set: "x" }));
      const selection = { resource: RESOURCES.ConfigMap, namespace, labelSelector: "set=x" };
      const { items, resourceVersion } = await listAll(kube, selection, { pageSize: 2 });
      assert.deepEqual(items.map(nameOf), ["a", "b", "c"].map((name) => `ConfigMap ${namespace}/${name}`));
      assert.equal(items[0]!.apiVersion, "v1");
      assert.match(resourceVersion, /^\d+$/);
    },
  },
  {
    name: "a set is followed: listed, added to, changed, taken from; only what the label selects",
    async run(kube, namespace) {
      await apply(kube, configMap(namespace, "before", { A: "1" }, { set: "x" }));
      const selection = { resource: RESOURCES.ConfigMap, namespace, labelSelector: "set=x" };
      await using followed = follow(kube, selection);
      await followed.synced;
      assert.equal(names(followed), "before");
      await apply(kube, configMap(namespace, "other", {}, { set: "y" }));
      await apply(kube, configMap(namespace, "after", {}, { set: "x" }));
      await until(() => names(followed) === "after before");
      await apply(kube, configMap(namespace, "before", { A: "2" }, { set: "x" }));
      await until(() => (dataOf(followed.get(namespace, "before")) as { A: string }).A === "2");
      assert.equal(followed.get(namespace, "before")!.metadata.managedFields, undefined);
      // no longer selected: a DELETED event, though the object stays
      await apply(kube, configMap(namespace, "before", { A: "2" }, { set: "y" }));
      await until(() => names(followed) === "after");
      await remove(kube, followed.get(namespace, "after")!);
      await until(() => names(followed) === "");
      assert.equal(followed.status().trouble, undefined);
    },
  },
  {
    name: "one object is followed by its name",
    async run(kube, namespace) {
      const selection = { resource: RESOURCES.ConfigMap, namespace, fieldSelector: "metadata.name=one" };
      await using followed = follow(kube, selection);
      await followed.synced;
      await apply(kube, configMap(namespace, "two", {}));
      await apply(kube, configMap(namespace, "one", {}));
      await until(() => names(followed) === "one");
    },
  },
  {
    name: "the server ends a watch in time, and it goes on from there",
    async run(kube, namespace) {
      const troubles: string[] = [];
      await using followed = follow(kube, { resource: RESOURCES.ConfigMap, namespace, labelSelector: "set=x" }, {
        watchSeconds: 1,
        random: () => 0.9,
        onTrouble: (error) => troubles.push(error.message),
      });
      await followed.synced;
      const before = followed.status().currentAt;
      await until(() => followed.status().currentAt > before);
      await apply(kube, configMap(namespace, "late", {}, { set: "x" }));
      await until(() => names(followed) === "late");
      assert.deepEqual(troubles, []);
    },
  },
  {
    name: "applied twice is stored once; fields no longer given go; another's fields are left to them",
    async run(kube, namespace) {
      const first = await apply(kube, configMap(namespace, "m", { A: "1", B: "1" }));
      const again = await apply(kube, configMap(namespace, "m", { A: "1", B: "1" }));
      assert.equal(again.metadata.resourceVersion, first.metadata.resourceVersion);
      assert.equal(again.metadata.uid, first.metadata.uid);
      await apply(kube, configMap(namespace, "m", { C: "person" }), { fieldManager: "person" });
      const less = await apply(kube, configMap(namespace, "m", { A: "2" }));
      assert.deepEqual(dataOf(less), { A: "2", C: "person" });
      assert.deepEqual([...ownedData(less)], ["A"]);
      assert.deepEqual([...ownedData(less, "person")], ["C"]);
    },
  },
  {
    name: "a conflict names field and manager; force takes it",
    async run(kube, namespace) {
      await apply(kube, configMap(namespace, "m", { A: "person", B: "person" }), { fieldManager: "some-person" });
      const error = await apply(kube, configMap(namespace, "m", { A: "ours", B: "person", C: "ours" })).then(
        () => assert.fail("no conflict"),
        (error) => error,
      );
      assert(error instanceof ConflictError, error);
      assert.deepEqual(error.conflicts, [{ manager: "some-person", field: ".data.A" }]);
      assert.equal(error.got, ".data.A belongs to some-person");
      assert.deepEqual(dataOf(await get(kube, RESOURCES.ConfigMap, namespace, "m")), { A: "person", B: "person" });
      const forced = await apply(kube, configMap(namespace, "m", { A: "ours" }), { force: true });
      assert.deepEqual(dataOf(forced), { A: "ours", B: "person" });
    },
  },
  {
    name: "an empty map of labels is a conflict too: it is owned, and never stored",
    async run(kube, namespace) {
      await apply(kube, configMap(namespace, "m", { A: "1" }, {}), { fieldManager: "some-person" });
      const error = await apply(kube, configMap(namespace, "m", { A: "1" }, {})).catch((error) => error);
      assert(error instanceof ConflictError, String(error));
      assert.deepEqual(error.conflicts.map(({ field }) => field), [".metadata.labels"]);
    },
  },
  {
    name: "a dry run stores nothing",
    async run(kube, namespace) {
      const answered = await apply(kube, configMap(namespace, "dry", { A: "1" }), { dryRun: true });
      assert.deepEqual(dataOf(answered), { A: "1" });
      assert.equal(await get(kube, RESOURCES.ConfigMap, namespace, "dry"), undefined);
    },
  },
  {
    name: "what was seen is deleted, and nothing newer",
    async run(kube, namespace) {
      const first = await apply(kube, configMap(namespace, "m", { A: "1" }));
      const second = await apply(kube, configMap(namespace, "m", { A: "2" }));
      assert.equal(await remove(kube, first), false);
      assert.equal(
        await remove(kube, { ...second, metadata: { ...second.metadata, uid: crypto.randomUUID() } }),
        false,
      );
      assert.deepEqual(dataOf(await get(kube, RESOURCES.ConfigMap, namespace, "m")), { A: "2" });
      assert.equal(await remove(kube, second), true);
      assert.equal(await remove(kube, second), false);
    },
  },
  {
    name: "an object without a name that may be is refused with the server's words",
    async run(kube, namespace) {
      const object = configMap(namespace, "m", {});
      const error = await apply(kube, { ...object, kind: "Secret" }).catch((error) => error);
      assert.match(error.message, /a kind that is not known here/);
      const missing = configMap(`${namespace}-none`, "m", {});
      const refused = await apply(kube, missing).catch((error) => error);
      assert(refused === undefined || refused instanceof HttpError || refused.metadata, "a named error or an object");
    },
  },
  {
    name: "a lease has one holder, is let go at an orderly end, and taken at once then",
    async run(kube, namespace) {
      const began = Promise.withResolvers<void>();
      const taken = Promise.withResolvers<void>();
      const spans: string[] = [];
      const work = (name: string, start: () => void) => async (signal: AbortSignal) => {
        spans.push(`${name} leads`);
        start();
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        spans.push(`${name} ended`);
      };
      const options = { namespace, name: "hgate", everyMs: 100 };
      {
        const first = keepLease(kube, { ...options, identity: "first" }, work("first", began.resolve));
        await began.promise;
        await using _second = keepLease(kube, { ...options, identity: "second" }, work("second", taken.resolve));
        assert.equal(first.isHeld(), true);
        await first[Symbol.asyncDispose]();
        assert.equal(first.isHeld(), false);
        await taken.promise; // well before the 15 s of the record
      }
      assert.deepEqual(spans, ["first leads", "first ended", "second leads", "second ended"]);
      const record = await get(kube, RESOURCES.Lease, namespace, "hgate");
      assert.equal((record!["spec"] as { holderIdentity?: string }).holderIdentity ?? "", "");
      assert.equal((record!["spec"] as { leaseTransitions: number }).leaseTransitions, 1);
    },
  },
];
