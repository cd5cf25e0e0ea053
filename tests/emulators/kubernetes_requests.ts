/** Requests for objects of an emulated API server: list, watch, get, create, update, apply, delete. */
import { type EmulatedAnswer, type EmulatedRequest, jsonAnswer } from "./http_server.ts";
import { applyObject } from "./kubernetes_apply.ts";
import * as errors from "./kubernetes_status.ts";
import { type ObjectStore, type StoredObject, type StoreEvent } from "./kubernetes_store.ts";

/** What a path is about. */
export interface ObjectPath {
  /** Empty for the core group. */
  group: string;
  apiVersion: string;
  namespace?: string;
  /** Plural. */
  resource: string;
  name?: string;
}

/** The kinds that are served. */
const KINDS: Record<string, string> = {
  configmaps: "ConfigMap",
  events: "Event",
  namespaces: "Namespace",
  services: "Service",
  "leases.coordination.k8s.io": "Lease",
  "destinationrules.networking.istio.io": "DestinationRule",
  "serviceentries.networking.istio.io": "ServiceEntry",
  "sidecars.networking.istio.io": "Sidecar",
  "virtualservices.networking.istio.io": "VirtualService",
  "workloadentries.networking.istio.io": "WorkloadEntry",
  "peerauthentications.security.istio.io": "PeerAuthentication",
};

const qualified = ({ group, resource }: ObjectPath) => group ? `${resource}.${group}` : resource;

/** `undefined` for a path of another form, or a kind that is not served. */
export function objectPath(pathname: string): ObjectPath | undefined {
  const found = /^\/(?:api\/(v1)|apis\/([^/]+)\/([^/]+))(?:\/namespaces\/([^/]+)(?=\/))?\/([a-z]+)(?:\/([^/]+))?$/.exec(
    pathname,
  );
  if (!found) return undefined;
  const [, core, group = "", version, namespace, resource = "", name] = found.map((part) =>
    part && decodeURIComponent(part)
  );
  const path: ObjectPath = {
    group,
    apiVersion: core ?? `${group}/${version}`,
    resource,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
  };
  return KINDS[qualified(path)] ? path : undefined;
}

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

/** Answers a request that is allowed; `may` is asked for what depends on the state: applying what is not there creates it. */
export function answerObjects(
  request: EmulatedRequest,
  path: ObjectPath,
  store: ObjectStore,
  may: (verb: string) => EmulatedAnswer | undefined,
): EmulatedAnswer {
  const kind = KINDS[qualified(path)]!;
  const { namespace, resource } = path;
  const verb = verbOf(request, path);
  const query = request.url.searchParams;
  if ((verb === "create") !== (path.name === undefined) && request.method !== "GET") return errors.methodNotAllowed();
  if (verb === "list") return list(path, kind, store, query);
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
    store.delete(resource, namespace, path.name!);
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
  if (verb === "patch") {
    if (!/^application\/apply-patch\+yaml/.test(request.headers["content-type"] ?? "")) {
      return errors.methodNotAllowed();
    }
    if (!query.get("fieldManager")) return errors.badRequest("fieldManager is required for apply patch");
    const refused = row ? undefined : may("create");
    if (refused) return refused;
    const done = applyObject(store, resource, given, {
      manager: query.get("fieldManager")!,
      force: query.get("force") === "true",
      dryRun: query.get("dryRun") === "All",
    });
    if ("conflicts" in done) return errors.applyConflict(done.conflicts, path.apiVersion);
    return jsonAnswer(done.made ? 201 : 200, done.object);
  }
  if (verb === "create") {
    const name = given.metadata.name ?? `${given.metadata.generateName}${crypto.randomUUID().slice(0, 5)}`;
    if (store.row(resource, namespace, name)) return errors.alreadyExists(qualified(path), name);
    return jsonAnswer(201, store.put(resource, { ...given, metadata: { ...given.metadata, name } }, "deno"));
  }
  if (!row) return notFound(path);
  if (given.metadata.resourceVersion && given.metadata.resourceVersion !== row.object.metadata.resourceVersion) {
    const words = "the object has been modified; please apply your changes to the latest version and try again";
    return errors.conflict(qualified(path), path.name!, words);
  }
  return jsonAnswer(200, store.put(resource, given, "deno"));
}

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
  const items = all.slice(at, at + limit).map(({ apiVersion: _, kind: __, ...object }) => object);
  return jsonAnswer(200, { kind: `${kind}List`, apiVersion: path.apiVersion, metadata, items });
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
