import { parseArgs } from "node:util";
import { UsageError } from "../lib/base/errors.ts";

/** A flag of an admin command. */
export interface AdminFlag {
  type: "string" | "boolean";
  /** May be given several times: its value is a list. @default {false} */
  multiple?: boolean;
  /** What stands for the value in the help text. @default the flag's name in capitals */
  value?: string;
  /** The values there are. */
  choices?: readonly string[];
  /** For people, with the default. */
  help: string;
}

export type AdminFlags = Readonly<Record<string, AdminFlag>>;

/** The words of an admin command, as the table of its flags says. */
export interface AdminArguments {
  /** As many as the command names. */
  words: readonly string[];
  /** @throws {UsageError} none was given */
  required(flag: string): string;
  /** `undefined` for a flag that may be given several times, too. */
  text(flag: string): string | undefined;
  /** A whole number in a range. @throws {UsageError} another word */
  number(flag: string, range: { least: number; most: number }): number | undefined;
  /** `90`, `90s`, `5m`, `1h` in milliseconds. @throws {UsageError} another word */
  durationMs(flag: string): number | undefined;
  all(flag: string): readonly string[];
  is(flag: string): boolean;
}

/** What every admin command takes. */
const SHARED_FLAGS: AdminFlags = {
  project: { type: "string", help: "Google Cloud project (gcloud's)" },
  region: { type: "string", help: "Cloud Run's region (gcloud's)" },
  cluster: { type: "string", value: "NAME", help: "GKE cluster (the kubeconfig's, else gcloud's)" },
  location: { type: "string", help: "region or zone of --cluster (where it is found)" },
  context: { type: "string", help: "context of the kubeconfig (the current one)" },
  output: { type: "string", value: "FORMAT", choices: ["text", "json", "yaml"], help: "text, json or yaml (text)" },
  help: { type: "boolean", help: "this text" },
};

/** What every command takes that changes something. */
const CHANGING_FLAGS: AdminFlags = {
  "dry-run": { type: "boolean", help: "show the plan with its differences, change nothing" },
  yes: { type: "boolean", help: "do not ask; needed where standard input is no terminal" },
  timeout: { type: "string", value: "DURATION", help: "for all that is waited for, e.g. 90s (5m)" },
};

/** All that a command takes: its own flags first; of two of one name its own counts. */
export function flagsOf({ flags, ...command }: { flags: AdminFlags }): AdminFlags {
  return { ...flags, ...("plan" in command ? CHANGING_FLAGS : {}), ...SHARED_FLAGS, ...flags };
}

/** A command line's form. */
export interface AdminUsage {
  /** `setup-namespace` */
  name: string;
  /** What it does, in a line. */
  summary: string;
  /** Names of its words, all of them needed: `["NAMESPACE"]`. */
  words: readonly string[];
  flags: AdminFlags;
  /** Below the flags in the help text. */
  more?: string;
  /** Command lines, without the program's name. */
  examples?: readonly string[];
  /** What they mean, where that is another thing than of what makes changes. */
  exitCodes?: string;
}

/** @throws {UsageError} an unknown flag, a flag without its value, a word too many or too few */
export function parseAdminArguments(usage: AdminUsage, args: readonly string[]): AdminArguments {
  const wrong = (got: string) =>
    new UsageError({ tried: `read the arguments of ${usage.name}`, got, fix: `cloud-run-mesh ${usage.name} --help` });
  const options = Object.fromEntries(
    Object.entries(usage.flags).map(([name, { type, multiple = false }]) => [name, { type, multiple }]),
  );
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
  } catch (error) {
    throw wrong((error as Error).message.split(". ")[0]!);
  }
  const values = parsed.values as Record<string, string | boolean | (string | boolean)[] | undefined>;
  const words = parsed.positionals;
  if (!values["help"]) {
    if (words.length < usage.words.length) throw wrong(`no ${usage.words[words.length]}`);
    if (words.length > usage.words.length) throw wrong(`unexpected argument '${words[usage.words.length]}'`);
  }
  for (const [name, { choices }] of Object.entries(usage.flags)) {
    const value = values[name];
    if (choices && typeof value === "string" && !choices.includes(value)) {
      throw wrong(`--${name} is "${value}", it is one of ${choices.join(", ")}`);
    }
    if ([value].flat().includes("")) throw wrong(`--${name} is empty`);
  }
  const text = (flag: string) => {
    const value = values[flag];
    return typeof value === "string" ? value : undefined;
  };
  return {
    words,
    text,
    required(flag) {
      const value = text(flag);
      if (value === undefined) throw wrong(`no --${flag}`);
      return value;
    },
    number(flag, { least, most }) {
      const value = text(flag);
      if (value === undefined) return undefined;
      const number = Number(value);
      if (/^\d+$/.test(value) && number >= least && number <= most) return number;
      throw wrong(`--${flag} is "${value}", not a whole number from ${least} to ${most}`);
    },
    durationMs(flag) {
      const value = text(flag);
      if (value === undefined) return undefined;
      const [, number, unit = "s"] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(value) ?? [];
      if (number === undefined) throw wrong(`--${flag} is "${value}", not a time such as 90s or 5m`);
      return Number(number) * { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[unit as "ms" | "s" | "m" | "h"];
    },
    all: (flag) => (values[flag] ?? []) as string[],
    is: (flag) => values[flag] === true,
  };
}

const EXIT_CODES = "0 all is as it should be, 1 something failed or was declined";

export function adminHelp(
  { name, summary, words, flags, more, examples = [], exitCodes = EXIT_CODES }: AdminUsage,
): string {
  const lines = Object.entries(flags).map(([flag, { type, value = flag.toUpperCase(), help, multiple }]) => {
    const form = type === "boolean" ? `--${flag}` : `--${flag} ${value}${multiple ? " …" : ""}`;
    return `  ${form.padEnd(28)} ${help}`;
  });
  return `${name}: ${summary}

Usage:
  cloud-run-mesh ${[name, ...words].join(" ")} [flags]

Flags, and in brackets what holds without them:
${lines.join("\n")}
${more ? `\n${more}\n` : ""}${
    examples.length > 0 ? `\nExamples:\n${examples.map((line) => `  cloud-run-mesh ${line}`).join("\n")}\n` : ""
  }
Exit code: ${exitCodes}, 2 wrong use, 130 interrupted.
`;
}
