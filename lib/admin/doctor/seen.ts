import { Problem, reasonOf } from "../../base/errors.ts";
import { HttpError } from "../../base/http.ts";

/** What came of looking at one source. */
export type Seen<T> = { is: "known"; value: T } | Unseen;

/**
 * Nothing was seen: it failed by itself, this account may not look, or something it needs is not there.
 * `why` of what is blocked is the name of that: `the cluster`.
 */
export interface Unseen {
  is: "failed" | "refused" | "blocked";
  why: string;
  fix?: string;
}

/** A 403 says nothing about what was asked for, only about who asks; unless it is Google's, of an API that is switched off. */
export function unseenBy(error: unknown): Unseen {
  const isRefusal = error instanceof HttpError && error.status === 403 &&
    !/SERVICE_DISABLED|has not been used|is disabled/.test(error.body);
  const fix = error instanceof Problem ? error.fix : undefined;
  // What a refusal says itself is what is lacking, and of what.
  const why = isRefusal ? error.got : error instanceof Problem ? `${error.tried}: ${error.got}` : reasonOf(error);
  return { is: isRefusal ? "refused" : "failed", why, ...(fix ? { fix } : {}) };
}
