import { HttpError } from "../base/http.ts";
import { describeIssue } from "../base/json.ts";
import { Problem } from "../base/errors.ts";
import { linked } from "../base/linked.ts";
import { linesOf } from "../base/lines.ts";
import type { KubeClient } from "./client.ts";
import { AnyObject, asObject, type KubeObject, pathOf, type Resource } from "./objects.ts";
import * as v from "valibot";

/** Which objects of a kind; selectors in the API's own form, e.g. `app=web,env`. */
export interface Selection {
  resource: Resource;
  /** @default every namespace */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  /** `metadata.name=web`: with it the right to read that one name is enough. */
  fieldSelector?: string | undefined;
}

/** The version to go on from is too old, or was never: everything has to be listed again (410 Gone). */
export class GoneError extends Problem {
  override name = "GoneError";
}

/** `BOOKMARK` objects have nothing but a version, https://kubernetes.io/docs/reference/using-api/api-concepts/#watch-bookmarks. */
export interface WatchEvent {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  object: KubeObject;
}

export interface WatchOptions {
  /** Version to go on from. */
  resourceVersion: string;
  /** The server ends the watch after this long. */
  timeoutSeconds: number;
  signal: AbortSignal;
  /** The server took it: from here on events come as they happen. */
  onOpen?: () => void;
}

const Event = v.object({ type: v.string(), object: v.looseObject({}) });
const Bookmark = v.object({ metadata: v.object({ resourceVersion: v.string() }) });
const Status = v.object({
  code: v.optional(v.number()),
  message: v.optional(v.string(), "an error without a message"),
});

/** etcd takes no object above 1.5 MiB; in JSON text it can be larger. */
const LONGEST_EVENT_CHARACTERS = 8 << 20;
/** A connection on which the server's own end does not come is dead. */
const GRACE_MS = 10_000;

/** For people: `services in prod with label a=b on cluster x`. */
export function describeSelection(kube: KubeClient, { resource, namespace, labelSelector }: Selection): string {
  return `${resource.resource}${namespace ? ` in ${namespace}` : ""}${
    labelSelector ? ` with label ${labelSelector}` : ""
  } on ${kube.access.origin}`;
}

/** The query of a selection, with more of its own. */
export function queryOf(selection: Selection, more: Readonly<Record<string, string | undefined>>): string {
  const { labelSelector, fieldSelector } = selection;
  const all = Object.entries({ labelSelector, fieldSelector, ...more });
  return new URLSearchParams(all.filter((pair): pair is [string, string] => pair[1] !== undefined)).toString();
}

/**
 * One watch, until the server ends it.
 * @throws {GoneError} list again  {HttpError} refused  {Problem} the connection broke, or what came is no event
 */
export async function* watch(
  kube: KubeClient,
  selection: Selection,
  options: WatchOptions,
): AsyncGenerator<WatchEvent> {
  const what = `watch ${describeSelection(kube, selection)}`;
  using silence = linked(options.signal);
  const timer = setTimeout(
    () => silence.abort(new Error("silence beyond the watch's own end")),
    options.timeoutSeconds * 1_000 + GRACE_MS,
  );
  const query = queryOf(selection, {
    watch: "true",
    allowWatchBookmarks: "true",
    resourceVersion: options.resourceVersion,
    timeoutSeconds: String(options.timeoutSeconds),
  });
  const path = `${pathOf(selection.resource, selection.namespace)}?${query}`;
  try {
    const body = await kube.stream(path, { what, signal: silence.signal });
    options.onOpen?.();
    for await (const line of linesOf(body, LONGEST_EVENT_CHARACTERS)) {
      if (line !== "") yield eventOf(selection.resource, line, what);
    }
  } catch (error) {
    if (error instanceof HttpError && error.status === 410) throw new GoneError(error);
    if (error instanceof Problem) throw error;
    throw new Problem({ tried: what, got: `the connection broke: ${(error as Error).message}`, cause: error });
  } finally {
    clearTimeout(timer);
    silence.abort(); // closes the connection of a watch that is left early
  }
}

/** @throws {GoneError} {Problem} */
function eventOf(resource: Resource, line: string, what: string): WatchEvent {
  const { type, object } = read(Event, parse(line, what), what);
  switch (type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type, object: asObject(resource, read(AnyObject, object, what)) };
    case "BOOKMARK": {
      const { metadata } = read(Bookmark, object, what);
      return { type, object: asObject(resource, { metadata: { name: "", ...metadata } }) };
    }
    case "ERROR": {
      const { code, message } = read(Status, object, what);
      const got = `${code ?? "an error"}: ${message.slice(0, 300)}`;
      throw code === 410 ? new GoneError({ tried: what, got }) : new Problem({ tried: what, got });
    }
    default:
      throw new Problem({ tried: what, got: "an event of an unknown type" });
  }
}

function parse(line: string, what: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new Problem({ tried: what, got: `a line of ${line.length} characters that is no JSON` });
  }
}

function read<S extends v.GenericSchema>(schema: S, value: unknown, what: string): v.InferOutput<S> {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  throw new Problem({ tried: what, got: `an event without its form${describeIssue(result.issues[0])}` });
}
