import { HttpError } from "../base/http.ts";
import { Problem } from "../base/errors.ts";
import { unlessMissing } from "../base/unless_missing.ts";
import { parseAs } from "../base/json.ts";
import type { KubeClient } from "./client.ts";
import {
  AnyObject,
  asObject,
  type Kind,
  type KubeObject,
  nameOf,
  pathOf,
  type Resource,
  RESOURCES,
} from "./objects.ts";
import * as v from "valibot";

/** The name that this program's fields are owned by. */
export const FIELD_MANAGER = "cloud-run-mesh";

export interface ApplyOptions {
  /** @default {"cloud-run-mesh"} */
  fieldManager?: string;
  /** Takes fields from others. @default {false} */
  force?: boolean;
  /** Checked and answered by the server, and not stored. @default {false} */
  dryRun?: boolean;
  signal?: AbortSignal | undefined;
}

/** A field that this program would set, and who set it otherwise. */
export interface FieldConflict {
  /** `kubectl-edit` */
  manager: string;
  /** `.data.MCON_ADDR` */
  field: string;
}

/** Somebody else owns fields of the object and wants other values. */
export class ConflictError extends Problem {
  override name = "ConflictError";
  constructor(details: { tried: string; got: string; fix?: string | undefined }, readonly conflicts: FieldConflict[]) {
    super(details);
  }
}

const Conflict = v.object({
  details: v.object({
    causes: v.array(
      v.object({ reason: v.string(), message: v.optional(v.string(), ""), field: v.optional(v.string(), "") }),
    ),
  }),
});

/**
 * Server-side apply: the object's fields become these, made or changed; fields of ours that are no longer given go.
 * @returns the object as stored
 * @throws {ConflictError} fields of another manager, without `force`  {HttpError} refused
 */
export async function apply(kube: KubeClient, object: KubeObject, options: ApplyOptions = {}): Promise<KubeObject> {
  const { fieldManager = FIELD_MANAGER, force = false, dryRun = false, signal } = options;
  const resource = resourceOf(object);
  const { namespace, name } = object.metadata;
  const what = `apply ${nameOf(object)} on ${kube.access.origin}`;
  const query = new URLSearchParams({ fieldManager, force: String(force), ...(dryRun ? { dryRun: "All" } : {}) });
  try {
    const { text } = await kube.request(`${pathOf(resource, namespace, name)}?${query}`, {
      what,
      method: "PATCH",
      json: object,
      headers: { "content-type": "application/apply-patch+yaml" }, // JSON is YAML
      fix: fixForRefusal,
      ...(signal ? { signal } : {}),
    });
    return asObject(resource, parseAs(AnyObject, text, what));
  } catch (error) {
    if (error instanceof HttpError && error.status === 409) {
      const conflicts = conflictsOf(error.body);
      if (conflicts.length) {
        const owners = conflicts.map(({ manager, field }) => `${field} belongs to ${manager}`).join(", ");
        const fix = "let them go of these fields, or give them the same values";
        throw new ConflictError({ tried: error.tried, got: owners, fix }, conflicts);
      }
    }
    throw error;
  }
}

/** @returns `undefined` where there is none of that name */
export async function get(
  kube: KubeClient,
  resource: Resource,
  namespace: string | undefined,
  name: string,
  signal?: AbortSignal,
): Promise<KubeObject | undefined> {
  const what = `read ${resource.kind} ${namespace ? `${namespace}/` : ""}${name} on ${kube.access.origin}`;
  const reading = kube.request(pathOf(resource, namespace, name), {
    what,
    fix: fixForRefusal,
    ...(signal ? { signal } : {}),
  });
  const answer = await unlessMissing(reading);
  return answer && asObject(resource, parseAs(AnyObject, answer.text, what));
}

/**
 * Deletes exactly the object that was seen: not one that was made anew under its name, nor one that changed since.
 * @returns false where it was gone, or another by now
 */
export async function remove(kube: KubeClient, seen: KubeObject, signal?: AbortSignal): Promise<boolean> {
  const { namespace, name, uid, resourceVersion } = seen.metadata;
  try {
    await kube.request(pathOf(resourceOf(seen), namespace, name), {
      what: `delete ${nameOf(seen)} on ${kube.access.origin}`,
      method: "DELETE",
      json: {
        apiVersion: "v1",
        kind: "DeleteOptions",
        propagationPolicy: "Background",
        preconditions: { ...(uid ? { uid } : {}), ...(resourceVersion ? { resourceVersion } : {}) },
      },
      fix: fixForRefusal,
      ...(signal ? { signal } : {}),
    });
    return true;
  } catch (error) {
    if (error instanceof HttpError && (error.status === 404 || error.status === 409)) return false;
    throw error;
  }
}

/** Names of the keys of `data` that a manager owns. */
export function ownedData(object: KubeObject, manager = FIELD_MANAGER): Set<string> {
  const owned = new Set<string>();
  for (const entry of object.metadata.managedFields ?? []) {
    const data = (entry.fieldsV1 as Record<string, unknown> | undefined)?.["f:data"];
    if (entry.manager !== manager || typeof data !== "object" || data === null) continue;
    for (const key of Object.keys(data)) if (key.startsWith("f:")) owned.add(key.slice(2));
  }
  return owned;
}

/** Keys of a map such as `["metadata", "annotations"]` that another than this program has set, by itself or as well. */
export function keysOfOthers(object: KubeObject, path: readonly string[], manager = FIELD_MANAGER): Set<string> {
  const keys = new Set<string>();
  for (const entry of object.metadata.managedFields ?? []) {
    if (entry.manager === manager && entry.operation === "Apply") continue;
    let at: unknown = entry.fieldsV1;
    for (const part of path) at = isFields(at) ? at[`f:${part}`] : undefined;
    if (isFields(at)) { for (const key of Object.keys(at)) if (key.startsWith("f:")) keys.add(key.slice(2)); }
  }
  return keys;
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** What a person can do about a refusal; the server's own words name the right that is missing. */
export function fixForRefusal(status: number): string | undefined {
  if (status === 403) return "grant that right, or let somebody run this who has it (on GKE: roles/container.admin)";
  if (status === 401) return "the credentials were refused: sign in again, and check the machine's clock";
  return undefined;
}

function resourceOf({ apiVersion, kind }: KubeObject): Resource {
  const resource: Resource | undefined = Object.hasOwn(RESOURCES, kind) ? RESOURCES[kind as Kind] : undefined;
  if (resource?.apiVersion !== apiVersion) {
    throw new Problem({ tried: `find where ${apiVersion} ${kind} is served`, got: "a kind that is not known here" });
  }
  return resource;
}

function conflictsOf(body: string): FieldConflict[] {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return [];
  }
  const conflict = v.safeParse(Conflict, value);
  if (!conflict.success) return [];
  return conflict.output.details.causes.filter(({ reason }) => reason === "FieldManagerConflict").map((
    { message, field },
  ) => ({ manager: /conflict with "([^"]*)"/.exec(message)?.[1] ?? "another manager", field }));
}
