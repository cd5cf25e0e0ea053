/** Runs something once, some milliseconds from now; returns what calls it off. Tests give one of their own. */
export type Later = (ms: number, run: () => void) => () => void;

/** What setTimeout can count to. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** By setTimeout; a wait that is too long for it ends at its limit, some 24 days. */
export const later: Later = (ms, run) => {
  const timer = setTimeout(run, Math.min(ms, LONGEST_TIMEOUT_MS));
  return () => clearTimeout(timer);
};
