import { linked } from "../../base/linked.ts";
import type { FactName, Outside, Source } from "./source.ts";
import { type Seen, unseenBy } from "./seen.ts";

export type Sources = Readonly<Record<FactName, Source>>;
/** What was looked at; a source that nobody needed is not there. */
export type Looked = Readonly<Partial<Record<FactName, Seen<unknown>>>>;

export interface GatherOptions {
  /** Of each deadline; see {@link Source.deadlines}. */
  timeoutMs: number;
  signal: AbortSignal;
}

/**
 * Looks at the sources named and at all that they need: each once, each as soon as what it needs is there, none longer than its
 * deadline. What one cannot give blocks those behind it and nothing else.
 * @throws what `signal` is aborted with
 */
export async function gather(
  sources: Sources,
  names: Iterable<FactName>,
  outside: Outside,
  { timeoutMs, signal }: GatherOptions,
): Promise<Looked> {
  const begun = new Map<FactName, Promise<Seen<unknown>>>();
  const see = (name: FactName): Promise<Seen<unknown>> => {
    let seen = begun.get(name);
    if (!seen) begun.set(name, seen = look(name));
    return seen;
  };
  const look = async (name: FactName): Promise<Seen<unknown>> => {
    const { needs, wants, isOfService, deadlines, look } = sources[name];
    if (isOfService && outside.service === undefined) return { is: "blocked", why: "--service NAME" };
    const all = [...needs, ...wants];
    const seen = await Promise.all(all.map(see));
    const facts: Record<string, unknown> = {};
    for (const [at, found] of seen.entries()) {
      const needed = all[at]!;
      if (found.is === "known") facts[needed] = found.value;
      else if (at < needs.length) {
        return { is: "blocked", why: found.is === "blocked" ? found.why : sources[needed].label };
      }
    }
    return await withinLimit((signal) => look(facts, outside, signal), timeoutMs * deadlines, signal);
  };
  for (const name of names) see(name);
  const done: Partial<Record<FactName, Seen<unknown>>> = {};
  for (const [name, seen] of begun) done[name] = await seen; // those that are begun meanwhile are at the end of the map
  signal.throwIfAborted();
  return done;
}

async function withinLimit(
  look: (signal: AbortSignal) => Promise<unknown>,
  limitMs: number,
  outer: AbortSignal,
): Promise<Seen<unknown>> {
  using limit = linked(outer);
  const { signal } = limit;
  const over = Promise.withResolvers<never>();
  over.promise.catch(() => {});
  signal.addEventListener("abort", () => over.reject(signal.reason), { once: true });
  if (signal.aborted) over.reject(signal.reason);
  const timer = setTimeout(() => limit.abort(new Error(`no answer within ${limitMs} ms`)), limitMs);
  try {
    return { is: "known", value: await Promise.race([look(signal), over.promise]) };
  } catch (error) {
    return signal.aborted ? { is: "failed", why: (signal.reason as Error).message } : unseenBy(error);
  } finally {
    clearTimeout(timer);
    limit.abort(new Error("it is over")); // ends what was begun and is not waited for
  }
}
