import type { CloudRunName } from "../../registration/mod.ts";
import { type Grant, keyOf } from "./grants.ts";

/** A region, and whether the gate may already send it requests. */
export interface InvokerRegion {
  cloudRun: CloudRunName;
  /** No token is looked at, or any is taken. */
  isOpen: boolean;
  /** The member has the role. */
  has: boolean;
}

/** What becomes of grants. What a command gives is remembered before it is given, and forgotten after it was taken back. */
export interface InvokerPlan {
  give: Grant[];
  takeBack: Grant[];
  /** To be written to the Service before anything is given. */
  remembered: Grant[];
  /** To be written when all is done. */
  kept: Grant[];
}

/**
 * Only what the gate lacks is given; a grant that somebody else made is not remembered, and so never taken back.
 * @param remembered by former runs
 * @param member of the gate; without one all stays as it is
 */
export function invokerPlan(
  remembered: readonly Grant[],
  member: string | undefined,
  regions: readonly InvokerRegion[],
): InvokerPlan {
  if (member === undefined) {
    return { give: [], takeBack: [], remembered: [...remembered], kept: [...remembered] };
  }
  const wanted = new Set(regions.map(({ cloudRun }) => keyOf({ cloudRun, member })));
  const give = regions.filter(({ isOpen, has }) => !isOpen && !has).map(({ cloudRun }) => ({ cloudRun, member }));
  const known = new Set(remembered.map(keyOf));
  const all = [...remembered, ...give.filter((grant) => !known.has(keyOf(grant)))];
  return {
    give,
    takeBack: remembered.filter((grant) => !wanted.has(keyOf(grant))),
    remembered: all,
    kept: all.filter((grant) => wanted.has(keyOf(grant))),
  };
}
