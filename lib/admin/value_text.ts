/** A line of a terminal, and its path stands before it. */
const LONGEST = 100;
/** Of what two long values begin with alike, so many characters are shown. */
const SHOWN = 24;

/**
 * Two values of a difference as a person reads them: a text as it is, everything else as JSON; of what is long the beginning, and of two
 * that are long what follows their common beginning.
 */
export function valueTexts({ from, to }: { from?: unknown; to?: unknown }): { from?: string; to?: string } {
  const [a, b] = [from, to].map((value) => value === undefined ? undefined : textOf(value));
  const isLong = a !== undefined && b !== undefined && Math.min(a.length, b.length) > LONGEST;
  const alike = isLong ? alikeOf(a, b) - SHOWN : 0;
  const short = (text: string) => shortened(alike > 0 ? `…${text.slice(alike)}` : text);
  return { ...(a === undefined ? {} : { from: short(a) }), ...(b === undefined ? {} : { to: short(b) }) };
}

function textOf(value: unknown): string {
  return typeof value === "string" && value !== "" ? value : JSON.stringify(value);
}

function shortened(text: string): string {
  const [first = "", ...more] = text.split("\n");
  const short = first.length > LONGEST ? `${first.slice(0, LONGEST)}…` : first;
  return more.length > 0 ? `${short} … (${more.length + 1} lines)` : short;
}

/** Characters that two texts have in common at their beginning. */
function alikeOf(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}
