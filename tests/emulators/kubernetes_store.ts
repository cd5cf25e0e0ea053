/**
 * The objects of an emulated API server: versions, a log of what happened to them, and who owns which field.
 *
 * Wire facts: https://kubernetes.io/docs/reference/using-api/api-concepts/ (watches, bookmarks, pages, 410) and
 * …/server-side-apply/ (owners). Lists count as one field, as they do in custom resources without list types.
 */
import { randomUUID } from "node:crypto";

/** Loosely typed on purpose: what a client sends is stored as it is. */
export interface StoredObject {
  apiVersion: string;
  kind: string;
  metadata: Record<string, unknown> & { name: string; namespace?: string; resourceVersion: string; uid: string };
  [field: string]: unknown;
}

export interface StoreEvent {
  version: number;
  type: "ADDED" | "MODIFIED" | "DELETED";
  /** Plural. */
  resource: string;
  object: StoredObject;
  before: StoredObject | undefined;
}

export interface Owner {
  manager: string;
  operation: "Apply" | "Update";
  /** JSON arrays of path parts, e.g. `["data","A"]`. */
  fields: Set<string>;
}

/** A stored object with its owners. */
interface Row {
  object: StoredObject;
  owners: Owner[];
}

export class ObjectStore {
  #version = 100;
  /** Versions up to here are forgotten. */
  #forgotten = 0;
  readonly #rows = new Map<string, Row>();
  readonly #log: StoreEvent[] = [];
  readonly #listeners = new Set<(event: StoreEvent | "bookmark" | "end") => void>();

  get version(): number {
    return this.#version;
  }

  list(resource: string, namespace?: string): StoredObject[] {
    return [...this.#rows].filter(([key]) =>
      key.startsWith(`${resource} ${namespace === undefined ? "" : `${namespace}/`}`)
    )
      .sort(([a], [b]) => a < b ? -1 : 1).map(([, { object }]) => object);
  }

  /** Every object there is, with its plural. */
  all(): [resource: string, object: StoredObject][] {
    return [...this.#rows].map(([key, { object }]) => [key.split(" ")[0]!, object]);
  }

  row(resource: string, namespace: string | undefined, name: string): Row | undefined {
    return this.#rows.get(keyOf(resource, namespace, name));
  }

  /** Stores an object as somebody else's tool would; `manager` owns its fields. */
  put(resource: string, object: Record<string, unknown>, manager = "kubectl-edit"): StoredObject {
    const { namespace, name } = object.metadata as { namespace?: string; name: string };
    const before = this.row(resource, namespace, name);
    const changed = [...leaves(object)].filter(([field, value]) =>
      JSON.stringify(valueAt(before?.object, field)) !== JSON.stringify(value)
    );
    const owners: Owner[] = (before?.owners ?? []).map((owner) => ({
      ...owner,
      fields: new Set(
        [...owner.fields].filter((field) =>
          valueAt(object, field) !== undefined && !changed.some(([other]) => other === field)
        ),
      ),
    }));
    let own = owners.find((owner) => owner.manager === manager && owner.operation === "Update");
    if (!own) owners.push(own = { manager, operation: "Update", fields: new Set() });
    for (const [field] of changed) own.fields.add(field);
    return this.write(resource, object, owners);
  }

  /** Stores what a request has worked out. */
  write(resource: string, object: Record<string, unknown>, owners: Owner[]): StoredObject {
    const { namespace, name } = object.metadata as { namespace?: string; name: string };
    const key = keyOf(resource, namespace, name);
    const before = this.#rows.get(key);
    const metadata = {
      ...object.metadata as Record<string, unknown>,
      name,
      uid: before?.object.metadata.uid ?? randomUUID(),
      creationTimestamp: before?.object.metadata.creationTimestamp ?? new Date().toISOString().replace(/\.\d+/, ""),
      managedFields: owners.filter(({ fields }) => fields.size).map(managedFields),
    };
    for (const key of ["labels", "annotations"]) { // an empty map is not stored
      const map = (metadata as Record<string, unknown>)[key];
      if (map && !Object.keys(map).length) delete (metadata as Record<string, unknown>)[key];
    }
    const same = before && JSON.stringify(withoutVersion(before.object)) ===
        JSON.stringify(withoutVersion({ ...object, metadata } as unknown as StoredObject));
    if (same) return before.object;
    const stored = {
      ...object,
      metadata: { ...metadata, resourceVersion: String(++this.#version) },
    } as unknown as StoredObject;
    this.#rows.set(key, { object: stored, owners });
    const type = before ? "MODIFIED" : "ADDED";
    this.#tell({ version: this.#version, type, resource, object: stored, before: before?.object });
    return stored;
  }

  delete(resource: string, namespace: string | undefined, name: string): void {
    const row = this.row(resource, namespace, name);
    if (!row) return;
    this.#rows.delete(keyOf(resource, namespace, name));
    const metadata = { ...row.object.metadata, resourceVersion: String(++this.#version) };
    const object = { ...row.object, metadata };
    this.#tell({ version: this.#version, type: "DELETED", resource, object, before: row.object });
  }

  /** Events after a version; `undefined` where some of them are forgotten. */
  since(version: number): StoreEvent[] | undefined {
    return version < this.#forgotten ? undefined : this.#log.filter((event) => event.version > version);
  }

  /** Forgets history, as etcd's compaction does: older versions answer 410. */
  forget(): void {
    this.#forgotten = ++this.#version;
  }

  /** Sends all watches a bookmark, or ends them. */
  signal(what: "bookmark" | "end"): void {
    for (const listener of [...this.#listeners]) listener(what);
  }

  get watches(): number {
    return this.#listeners.size;
  }

  listen(listener: (event: StoreEvent | "bookmark" | "end") => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #tell(event: StoreEvent): void {
    this.#log.push(event);
    for (const listener of [...this.#listeners]) listener(event);
  }
}

/** `[path as JSON, value]` of everything a manager can own. */
export function* leaves(object: Record<string, unknown>, path: string[] = []): Generator<[string, unknown]> {
  for (const [key, value] of Object.entries(object)) {
    const here = [...path, key];
    if (path.length === 0 && (key === "apiVersion" || key === "kind")) continue;
    if (path[0] === "metadata" && path.length === 1 && !["labels", "annotations"].includes(key)) continue;
    const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
    if (isMap && Object.keys(value).length) yield* leaves(value as Record<string, unknown>, here);
    else if (value !== undefined) yield [JSON.stringify(here), value];
  }
}

export function valueAt(object: unknown, field: string): unknown {
  let at = object;
  for (const part of JSON.parse(field) as string[]) at = (at as Record<string, unknown> | undefined)?.[part];
  return at;
}

function managedFields({ manager, operation, fields }: Owner): object {
  const tree: Record<string, unknown> = {};
  for (const field of fields) {
    let at = tree;
    for (const part of JSON.parse(field) as string[]) at = (at[`f:${part}`] ??= {}) as Record<string, unknown>;
  }
  return { manager, operation, fieldsType: "FieldsV1", fieldsV1: tree };
}

function withoutVersion({ metadata: { resourceVersion: _, ...metadata }, ...object }: StoredObject): object {
  return { ...object, metadata };
}

function keyOf(resource: string, namespace: string | undefined, name: string): string {
  return `${resource} ${namespace ?? ""}/${name}`;
}
