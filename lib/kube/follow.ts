import { HttpError } from "../base/http.ts";
import { parseAs } from "../base/json.ts";
import { pause } from "../base/pause.ts";
import { backOffMs, SOON_AGAIN_MS } from "../base/renewal.ts";
import { fixForRefusal } from "./apply.ts";
import type { KubeClient } from "./client.ts";
import { AnyObject, asObject, keyOf, type KubeObject, pathOf } from "./objects.ts";
import { describeSelection, GoneError, queryOf, type Selection, watch } from "./watch.ts";
import * as v from "valibot";

export interface FollowOptions {
  /** Told after the first list and after every change; the set is {@link Followed.items}. */
  onChange?: () => void;
  /** Told before each wait for another try. */
  onTrouble?: (error: Error, waitMs: number) => void;
  /** What is remembered of an object. @default all but its managed fields, which nobody needs and which are half of it */
  keep?: (object: KubeObject) => KubeObject;
  /** Objects a page of a list. @default {500} */
  pageSize?: number;
  /** A watch is asked to end after this long, spread by as much as half. @default {120} */
  watchSeconds?: number;
  /** First wait after trouble, doubled as {@link backOffMs} says. @default {500} */
  firstWaitMs?: number;
  random?: () => number;
  now?: () => number;
}

/** The objects of a selection as they are now; disposing ends the watch. */
export interface Followed extends AsyncDisposable {
  /** Resolves when the first list is there; stays open for as long as it cannot be had. */
  readonly synced: Promise<void>;
  items(): KubeObject[];
  get(namespace: string | undefined, name: string): KubeObject | undefined;
  status(): FollowStatus;
}

export interface FollowStatus {
  synced: boolean;
  /** Why it is behind; `undefined` while a watch is open or being renewed. */
  trouble: string | undefined;
  /** When the set was last known to be whole, milliseconds since 1970; 0 before that. */
  currentAt: number;
}

const List = v.object({
  metadata: v.object({ resourceVersion: v.string(), continue: v.optional(v.string()) }),
  items: v.optional(v.nullable(v.array(AnyObject))),
});

/** A watch that ended sooner and without a word did not work. */
const SHORTEST_WATCH_MS = 1_000;

/** Keeps a set of objects equal to the server's: list, then watch from there; 410 lists again, all else tries again with back-off. */
export function follow(kube: KubeClient, selection: Selection, options: FollowOptions = {}): Followed {
  const { watchSeconds = 120, firstWaitMs = 500, random = Math.random } = options;
  const { keep = withoutManagedFields, now = Date.now, onChange = () => {} } = options;
  const ending = new AbortController();
  const { promise: synced, resolve: haveList } = Promise.withResolvers<void>();
  const status: FollowStatus = { synced: false, trouble: undefined, currentAt: 0 };
  let items = new Map<string, KubeObject>();
  let version: string | undefined;
  let failures = 0;

  const current = () => {
    status.currentAt = now();
    status.trouble = undefined;
    failures = 0;
  };
  const relist = async () => {
    const list = await listAll(kube, selection, {
      pageSize: options.pageSize ?? 500,
      tries: 1,
      fix: () => undefined, // nobody runs this
      signal: ending.signal,
    });
    items = new Map(list.items.map((object) => [keyOf(object.metadata), keep(object)]));
    version = list.resourceVersion;
    status.synced = true;
    status.currentAt = now();
    onChange();
    haveList();
  };
  const watchOn = async (resourceVersion: string) => {
    const started = performance.now();
    const timeoutSeconds = Math.ceil(watchSeconds * (1 + random() / 2));
    const events = watch(kube, selection, {
      resourceVersion,
      timeoutSeconds,
      signal: ending.signal,
      onOpen: () => { // the server goes on from our version: what was missed comes at once
        status.trouble = undefined;
        status.currentAt = now();
      },
    });
    for await (const { type, object } of events) {
      version = object.metadata.resourceVersion ?? version;
      current();
      if (type === "BOOKMARK") continue;
      if (type === "DELETED") items.delete(keyOf(object.metadata));
      else items.set(keyOf(object.metadata), keep(object));
      onChange();
    }
    if (performance.now() - started < SHORTEST_WATCH_MS) throw new Error("the watch ended at once");
    current();
  };
  const run = async () => {
    while (!ending.signal.aborted) {
      try {
        if (version === undefined) await relist();
        await watchOn(version!);
      } catch (error) {
        if (ending.signal.aborted) return;
        if (error instanceof GoneError) version = undefined;
        const asked = error instanceof HttpError ? error.retryAfterMs ?? 0 : 0;
        const backOff = backOffMs(++failures, { firstMs: firstWaitMs, longestMs: SOON_AGAIN_MS, random });
        status.trouble = (error as Error).message;
        options.onTrouble?.(error as Error, Math.max(asked, backOff));
        await pause(Math.max(asked, backOff), ending.signal).catch(() => {});
      }
    }
  };
  const running = run();
  return {
    synced,
    items: () => [...items.values()],
    get: (namespace, name) => items.get(keyOf(namespace ? { namespace, name } : { name })),
    status: () => ({ ...status }),
    async [Symbol.asyncDispose]() {
      ending.abort(new Error("no longer followed"));
      await running;
    },
  };
}

/** A whole list, page by page. @param metadataAlone nothing else of the objects, https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches */
export async function listAll(
  kube: KubeClient,
  selection: Selection,
  { pageSize = 500, metadataAlone = false, tries, signal, fix = fixForRefusal }: {
    pageSize?: number;
    metadataAlone?: boolean;
    tries?: number | undefined;
    signal?: AbortSignal | undefined;
    /** What to do about an answer. @default what a person can do about a refusal */
    fix?: ((status: number) => string | undefined) | undefined;
  } = {},
): Promise<{ items: KubeObject[]; resourceVersion: string }> {
  const what = `list ${describeSelection(kube, selection)}`;
  const items: KubeObject[] = [];
  let token: string | undefined;
  for (;;) {
    const query = queryOf(selection, { limit: String(pageSize), continue: token });
    const path = `${pathOf(selection.resource, selection.namespace)}?${query}`;
    const headers = metadataAlone ? { accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1" } : {};
    const { text } = await kube.request(path, {
      what,
      headers,
      tries,
      fix,
      timeoutMs: 30_000,
      ...(signal ? { signal } : {}),
    })
      .catch((error) => {
        throw error instanceof HttpError && error.status === 410 ? new GoneError(error) : error;
      });
    const page = parseAs(List, text, what);
    for (const item of page.items ?? []) items.push(asObject(selection.resource, item));
    token = page.metadata.continue || undefined;
    if (!token) return { items, resourceVersion: page.metadata.resourceVersion };
  }
}

function withoutManagedFields(object: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}
