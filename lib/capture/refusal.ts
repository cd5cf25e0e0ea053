import type { Output } from "./run.ts";

/** Why one program does not work here. */
export interface Refusal {
  /** e.g. `iptables-nft`. */
  readonly program: string;
  readonly reason: string;
}

export const NOT_INSTALLED = "not installed";

/** What programs say without the capability, and in gVisor, whose kernel has neither back end. */
const NOT_ALLOWED =
  /permission denied|not permitted|must be root|unable to initialize table|lock file|protocol not supported/i;

/** All refusals in one line; a program that is not installed is only worth a word where none is. */
export function summary(refusals: readonly Refusal[]): string {
  const told = refusals.filter(({ reason }) => reason !== NOT_INSTALLED);
  if (told.length === 0) return `${refusals.map(({ program }) => program).join(", ")} not installed`;
  const reasons = [...new Set(told.map(({ reason }) => reason))].map((reason) => {
    const programs = told.filter((other) => other.reason === reason).map(({ program }) => program);
    return `${programs.join(" and ")}: ${reason}`;
  }).join("; ");
  return told.every(({ reason }) => NOT_ALLOWED.test(reason))
    ? `it needs root with NET_ADMIN and a kernel with netfilter (${reasons})`
    : reasons;
}

/** One line of what a program complained about; with the rule, where it names a line of `input`. */
export function reasonOfOutput({ code, stderr }: Output, input = ""): string {
  const lines = stderr.split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !/^(#|Try `|Error occurred|Warning:|Perhaps )/.test(line));
  const said = (lines[0] ?? `exit code ${code}`).replace(/^(ip6?tables\S*( v\S+)?( \(\w+\))?:? )+/, "");
  const at = stderr.match(/line:? (\d+)/)?.[1];
  const rule = at === undefined ? undefined : input.split("\n")[Number(at) - 1];
  return rule && /^-[ADI] /.test(rule) ? `${said} in "${rule}"` : said;
}
