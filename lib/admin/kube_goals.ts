import type { HttpError } from "../base/http.ts";
import {
  apply,
  FIELD_MANAGER,
  get,
  type Kind,
  type KubeClient,
  type KubeObject,
  nameOf,
  remove,
  RESOURCES,
} from "../kube/mod.ts";
import { MANAGED_BY, MANAGED_BY_US } from "../registration/mod.ts";
import { differencesOf } from "./difference.ts";
import { kindNotServed, whatIsMissing } from "./kube_served.ts";
import type { Change, Goal } from "./step.ts";

/**
 * The fields of `object` hold, by server-side apply; the difference is what the server's own dry run would make of it. Our label
 * {@link MANAGED_BY} comes only onto what this goal makes: an object that a person made stays the person's, and is left when all is undone.
 * @throws {ConflictError} another manager holds one of the fields and wants it otherwise, without `force`
 */
export function kubeObject(
  kube: KubeClient,
  object: KubeObject,
  { force = false, accept = () => {} }: {
    force?: boolean;
    /** Looks at what is there, and throws where it is not to be touched. */
    accept?: (there: KubeObject) => void;
  } = {},
): Goal {
  return {
    subject: nameOf(object),
    async plan(signal) {
      const { namespace, name } = object.metadata;
      const before = await get(kube, RESOURCES[object.kind as Kind], namespace, name, signal);
      if (before) accept(before);
      const wanted = !before || isOurs(before) ? object : unclaimed(object);
      const after = await dryRun(kube, wanted, { force, signal, isNew: before === undefined });
      const differences = differencesOf(before && comparable(before), comparable(after));
      if (differences.length === 0 && before && holds(before)) return undefined;
      return {
        action: before ? "update" : "create",
        differences,
        async apply(signal) {
          const made = await apply(kube, wanted, { force, signal });
          // Somebody made it since the plan: what an apply makes has no other manager.
          if (!before && hasOtherManager(made)) await apply(kube, unclaimed(object), { force, signal });
        },
      };
    },
  };
}

/** What the object would be. Where it needs another that is not there yet, as its namespace, that is the object itself. */
async function dryRun(
  kube: KubeClient,
  object: KubeObject,
  { force, signal, isNew }: { force: boolean; signal: AbortSignal; isNew: boolean },
): Promise<KubeObject> {
  try {
    return await apply(kube, object, { dryRun: true, force, signal });
  } catch (error) {
    const missing = isNew ? whatIsMissing(error) : undefined;
    if (missing === "another object") return object;
    if (missing === "kind") throw kindNotServed(object, error as HttpError);
    throw error;
  }
}

/** Whether this program made it, and may take it away. */
export function isOurs({ metadata }: Pick<KubeObject, "metadata">): boolean {
  return metadata.labels?.[MANAGED_BY] === MANAGED_BY_US;
}

function unclaimed(object: KubeObject): KubeObject {
  const { labels = {}, ...metadata } = object.metadata;
  const { [MANAGED_BY]: _, ...kept } = labels;
  // An empty map would be a field too, and owned.
  return { ...object, metadata: { ...metadata, ...(Object.keys(kept).length > 0 ? { labels: kept } : {}) } };
}

/** Those that write a subresource alone, as controllers do with `status`, do not count. */
function hasOtherManager({ metadata }: KubeObject): boolean {
  return metadata.managedFields?.some(({ manager, subresource }) => manager !== FIELD_MANAGER && !subresource) ?? false;
}

/**
 * The object is gone, if this program made it (it carries our label); one that a person made is left, and only the fields that this
 * program set are taken off it.
 */
export function kubeObjectGone(
  kube: KubeClient,
  { kind, metadata: { namespace, name } }: Pick<KubeObject, "kind" | "metadata">,
): Goal {
  const resource = RESOURCES[kind as Kind];
  return {
    subject: nameOf({ kind, metadata: { name, ...(namespace ? { namespace } : {}) } }),
    async plan(signal): Promise<Change | undefined> {
      const seen = await get(kube, resource, namespace, name, signal);
      if (!seen) return undefined;
      if (isOurs(seen)) {
        return {
          action: "delete",
          differences: differencesOf(comparable(seen), undefined),
          apply: async (signal) => void await remove(kube, seen, signal),
        };
      }
      if (!holds(seen)) return undefined;
      const { uid } = seen.metadata; // not one that was made anew since
      const metadata = { name, ...(namespace ? { namespace } : {}), ...(uid ? { uid } : {}) };
      const bare = { apiVersion: resource.apiVersion, kind, metadata };
      const after = await apply(kube, bare, { dryRun: true, signal });
      return {
        action: "update",
        differences: differencesOf(comparable(seen), comparable(after)),
        apply: async (signal) => void await apply(kube, bare, { signal }),
      };
    },
  };
}

/** Whether fields of it are ours by an earlier apply. */
function holds(object: KubeObject): boolean {
  return object.metadata.managedFields?.some(({ manager, operation }) =>
    manager === FIELD_MANAGER && operation === "Apply"
  ) ?? false;
}

/** Without what the server writes by itself at every change. */
function comparable(object: KubeObject): Record<string, unknown> {
  const { status: _, ...rest } = object;
  const { managedFields: _fields, resourceVersion: _version, uid: _uid, ...metadata } = object.metadata;
  const { generation: _generation, creationTimestamp: _created, ...kept } = metadata as Record<string, unknown>;
  return { ...rest, metadata: kept };
}
