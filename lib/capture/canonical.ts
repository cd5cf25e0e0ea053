import { wordsOf } from "./saved.ts";

/** Modules that an option names by itself; `iptables-save` prints them, at times more than once. */
const IMPLIED = new Set(["tcp", "udp", "owner", "multiport", "conntrack"]);

/**
 * A rule in a form that is the same for what was written and for what `iptables-save` prints of it, whatever version
 * and back end: options in order of their names, no module that an option implies, full lengths of prefixes.
 */
export function canonical(rule: string): string {
  const options: string[] = [];
  let negated = false;
  for (const word of wordsOf(rule)) {
    if (word === "!") {
      negated = true;
    } else if (word.startsWith("-")) {
      options.push(`${negated ? "! " : ""}${word === "--to-port" ? "--to-ports" : word}`);
      negated = false;
    } else {
      options.push(`${options.pop() ?? ""} ${word}`);
    }
  }
  return options.filter((option) => !IMPLIED.has(option.replace(/^-m /, ""))).map(withLength).sort().join(" ");
}

function withLength(option: string): string {
  const address = option.match(/^((?:! )?-[sd]) ([^/]+)$/);
  return address ? `${address[1]} ${address[2]}/${address[2]!.includes(":") ? 128 : 32}` : option;
}
