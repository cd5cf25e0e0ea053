/** Requests for objects of an emulated API server: list, watch, get, create, update, apply, delete. */
import { type EmulatedAnswer, type EmulatedRequest, jsonAnswer } from "./http_server.ts";
import { applyObject } from "./kubernetes_apply.ts";
import { KINDS, type ObjectPath, qualified } from "./kubernetes_kinds.ts";
import { lifecycleRefusal, populate, terminate, withDefaults } from "./kubernetes_namespaces.ts";
import * as errors from "./kubernetes_status.ts";
import { type ObjectStore, type StoredObject, type StoreEvent } from "./kubernetes_store.ts";

/** The verb that RBAC knows a request by. */
export function verbOf(request: EmulatedRequest, path: ObjectPath): string {
  if (request.method !== "GET") {
    return ({ POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" } as Record<string, string>)[
      request.method
    ] ?? "get";
  }
  if (path.name !== undefined) return "get";
  return request.url.searchParams.get("watch") === "true" ? "watch" : "list";
}

/** What the answer to a request depends on, beside the objects. */
export interface RequestRules {
  /** Asked for what depends on the state: applying what is not there creates it. @returns a refusal */
  may(verb: string): EmulatedAnswer | undefined;
  /** Asked for each object that is to be stored. @returns a refusal */
  admit(object: StoredObject): EmulatedAnswer | undefined;
  /** Whether objects are made only in namespaces that are there, and new namespaces get what controllers put into them. */
  hasNamespaces: boolean;
  /** How long the end of a namespace takes. */
  namespaceEndMs: number;
}

/** Answers a request that is allowed. */
export function answerObjects(
  request: EmulatedRequest,
  path: ObjectPath,
  store: ObjectStore,
  { may, admit, hasNamespaces, namespaceEndMs }: RequestRules,
): EmulatedAnswer {
  const { kind } = KINDS[qualified(path)]!;
  const { namespace, resource } = path;
  const verb = verbOf(request, path);
  const query = request.url.searchParams;
  const dryRun = query.get("dryRun") === "All";
  const isMetadataAlone = /as=PartialObjectMetadataList;/.test(request.headers["accept"] ?? "");
  if ((verb === "create") !== (path.name === undefined) && request.method !== "GET") return errors.methodNotAllowed();
  if (verb === "list") return list(path, isMetadataAlone ? "PartialObjectMetadata" : kind, store, query);
  if (verb === "watch") return watch(path, kind, store, query);
  const row = path.name === undefined ? undefined : store.row(resource, namespace, path.name);
  if (verb === "get") return row ? jsonAnswer(200, row.object) : notFound(path);
  if (verb === "delete") {
    if (!row) return notFound(path);
    const { preconditions } = JSON.parse(new TextDecoder().decode(request.body) || "{}");
    for (const part of ["uid", "resourceVersion"] as const) {
      const [asked, there] = [preconditions?.[part], row.object.metadata[part]];
      if (asked !== undefined && asked !== there) {
        const word = part === "uid" ? "UID" : "ResourceVersion";
        const words =
          `the ${word} in the precondition (${asked}) does not match the ${word} in record (${there}). The object might have been deleted and then recreated`;
        return errors.conflict(qualified(path), path.name!, words);
      }
    }
    if (!dryRun && resource === "namespaces" && hasNamespaces) terminate(store, path.name!, namespaceEndMs);
    else if (!dryRun) store.delete(resource, namespace, path.name!);
    return jsonAnswer(200, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success" });
  }
  let given: StoredObject;
  try {
    given = JSON.parse(new TextDecoder().decode(request.body));
  } catch {
    return errors.badRequest("the body cannot be read");
  }
  given = {
    ...given,
    apiVersion: path.apiVersion,
    kind,
    metadata: { ...given.metadata, ...(namespace ? { namespace } : {}) },
  };
  const name = path.name ?? given.metadata.name ??
    `${given.metadata["generateName"]}${crypto.randomUUID().slice(0, 5)}`;
  const admitted = () => {
    const outside = !row && hasNamespaces && namespace
      ? lifecycleRefusal(store, { namespace, kind: resource, name, group: path.group })
      : undefined;
    return outside ?? admit(given);
  };
  const whenMade = () => {
    if (resource === "namespaces" && hasNamespaces && !row && !dryRun) populate(store, name);
  };
  if (verb === "patch") {
    if (!/^application\/apply-patch\+yaml/.test(request.headers["content-type"] ?? "")) {
      return errors.methodNotAllowed();
    }
    if (!query.get("fieldManager")) return errors.badRequest("fieldManager is required for apply patch");
    const refused = (row ? undefined : may("create")) ?? admitted();
    if (refused) return refused;
    if (given.metadata.uid && given.metadata.uid !== row?.object.metadata.uid) {
      const words = "Precondition failed: UID in precondition: " +
        `${given.metadata.uid}, UID in object meta: ${row?.object.metadata.uid ?? ""}`;
      return errors.conflict(qualified(path), name, words);
    }
    const { resourceVersion } = given.metadata;
    if (resourceVersion && resourceVersion !== row?.object.metadata.resourceVersion) {
      return errors.conflict(qualified(path), name, MODIFIED);
    }
    const done = applyObject(store, resource, given, {
      manager: query.get("fieldManager")!,
      force: query.get("force") === "true",
      dryRun,
    });
    if ("conflicts" in done) return errors.applyConflict(done.conflicts, path.apiVersion);
    whenMade();
    return jsonAnswer(done.made ? 201 : 200, done.object);
  }
  if (verb === "create") {
    if (store.row(resource, namespace, name)) return errors.alreadyExists(qualified(path), name);
    const refused = admitted();
    if (refused) return refused;
    const whole = withDefaults(resource, { ...given, metadata: { ...given.metadata, name } });
    if (dryRun) return jsonAnswer(201, whole);
    const made = store.put(resource, whole, query.get("fieldManager") ?? "deno");
    whenMade();
    return jsonAnswer(201, made);
  }
  if (!row) return notFound(path);
  if (given.metadata.resourceVersion && given.metadata.resourceVersion !== row.object.metadata.resourceVersion) {
    return errors.conflict(qualified(path), path.name!, MODIFIED);
  }
  return admitted() ?? (dryRun ? jsonAnswer(200, given) : jsonAnswer(200, store.put(resource, given, "deno")));
}

const MODIFIED = "the object has been modified; please apply your changes to the latest version and try again";

const notFound = (path: ObjectPath) => errors.objectNotFound(qualified(path), path.name ?? "");

function list(path: ObjectPath, kind: string, store: ObjectStore, query: URLSearchParams): EmulatedAnswer {
  const all = store.list(path.resource, path.namespace).filter((object) => isSelected(object, query));
  const limit = Number(query.get("limit") ?? 0) || Infinity;
  const [at = 0, version = store.version] = (query.get("continue") ?? "").split(".").filter(Boolean).map(Number);
  if (query.get("continue") && !store.since(version)) {
    return errors.expired("The provided continue parameter is too old");
  }
  const rest = all.length - at - limit;
  const metadata = {
    resourceVersion: String(version),
    ...(rest > 0 ? { continue: `${at + limit}.${version}`, remainingItemCount: rest } : {}),
  };
  const isMetadataAlone = kind === "PartialObjectMetadata";
  const apiVersion = isMetadataAlone ? "meta.k8s.io/v1" : path.apiVersion;
  const items = all.slice(at, at + limit).map(({ apiVersion: _, kind: __, ...object }) =>
    isMetadataAlone ? { kind, apiVersion, metadata: object.metadata } : object
  );
  return jsonAnswer(200, { kind: `${kind}List`, apiVersion, metadata, items });
}

function watch(path: ObjectPath, kind: string, store: ObjectStore, query: URLSearchParams): EmulatedAnswer {
  const from = Number(query.get("resourceVersion") ?? 0);
  const missed = store.since(from);
  const pieces = missed ? events(path, kind, store, query, missed) : once({
    type: "ERROR",
    object: JSON.parse(errors.expired(`too old resource version: ${from} (${store.version})`).body!),
  });
  return { status: 200, headers: { "content-type": "application/json" }, pieces };
}

async function* once(event: unknown): AsyncIterableIterator<string> {
  yield `${JSON.stringify(event)}\n`;
}

function events(
  path: ObjectPath,
  kind: string,
  store: ObjectStore,
  query: URLSearchParams,
  missed: StoreEvent[],
): AsyncIterableIterator<string> {
  const queue: string[] = [];
  let wake = () => {};
  let ended = false;
  const add = (event: StoreEvent) => {
    const isOurs = event.resource === path.resource &&
      (path.namespace === undefined || event.object.metadata.namespace === path.namespace);
    if (!isOurs) return;
    // What is no longer selected is deleted to this watch, what is selected from now on is added.
    const was = event.before !== undefined && isSelected(event.before, query);
    const is = event.type !== "DELETED" && isSelected(event.object, query);
    if (!was && !is) return;
    const type = was && is ? "MODIFIED" : is ? "ADDED" : "DELETED";
    queue.push(`${JSON.stringify({ type, object: event.object })}\n`);
  };
  missed.forEach(add);
  const end = () => {
    ended = true;
    stop();
    clearTimeout(timer);
    wake();
  };
  const stop = store.listen((event) => {
    if (event === "end") return end();
    if (event !== "bookmark") add(event);
    else if (query.get("allowWatchBookmarks") === "true") {
      const metadata = { resourceVersion: String(store.version), creationTimestamp: null };
      queue.push(`${JSON.stringify({ type: "BOOKMARK", object: { kind, apiVersion: path.apiVersion, metadata } })}\n`);
    }
    wake();
  });
  const timer = setTimeout(end, Number(query.get("timeoutSeconds") ?? 1_800) * 1_000);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      while (!queue.length && !ended) await new Promise<void>((resolve) => wake = resolve);
      const value = queue.shift();
      return value === undefined ? { done: true, value } : { done: false, value };
    },
    return() {
      end();
      return Promise.resolve({ done: true, value: undefined });
    },
  };
}

/** `a`, `!a`, `a=b`, joined by commas; and `metadata.name=x`. */
function isSelected({ metadata }: StoredObject, query: URLSearchParams): boolean {
  const labels = (metadata.labels ?? {}) as Record<string, string>;
  const wanted = (query.get("labelSelector") ?? "").split(",").filter(Boolean);
  const name = /^metadata\.name=(.*)$/.exec(query.get("fieldSelector") ?? "")?.[1];
  return (name === undefined || name === metadata.name) && wanted.every((part) => {
    const [key = "", value] = part.split("=");
    if (key.startsWith("!")) return !Object.hasOwn(labels, key.slice(1));
    return Object.hasOwn(labels, key) && (value === undefined || labels[key] === value);
  });
}
