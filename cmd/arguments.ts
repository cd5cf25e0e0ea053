import { parseArgs } from "node:util";
import { UsageError } from "../lib/base/errors.ts";
import { TABLE, type Table } from "../lib/settings/mod.ts";

/** krun's command line, taken apart: its own flags, then the app's command as it is. */
export interface KrunArguments {
  flags: Readonly<Record<string, string | boolean | undefined>>;
  /** `krun config`, `krun iptables` */
  action: "run" | "config" | "iptables";
  /** The app's program and arguments, empty for an app in another container; of `krun iptables` its own arguments. */
  command: readonly string[];
}

const OWN = { help: "boolean", version: "boolean", output: "string" } as const;

/** Long options of a command: those of its settings' table, and what every command has. */
export function optionTypes(table: Table): Record<string, { type: "string" | "boolean" }> {
  const types: Record<string, { type: "string" | "boolean" }> = {};
  for (const setting of Object.values(table)) {
    if (setting.flag) types[setting.flag] = { type: typeof setting.fallback === "boolean" ? "boolean" : "string" };
  }
  for (const [name, type] of Object.entries(OWN)) types[name] = { type };
  return types;
}

/**
 * `krun [flags] [--] program [arguments]` and `krun config [flags]`. The first word that is no flag begins the app's command:
 * what follows is the app's, flags too.
 * @throws {UsageError} an unknown flag, or one without its value
 */
export function parseKrunArguments(args: readonly string[]): KrunArguments {
  if (args[0] === "iptables") return { flags: {}, action: "iptables", command: args.slice(1) };
  const types = optionTypes(TABLE);
  const action = args[0] === "config" ? "config" : "run";
  const rest = action === "config" ? args.slice(1) : args;
  let end = 0;
  while (end < rest.length && rest[end]!.startsWith("-") && rest[end] !== "--" && rest[end] !== "-") {
    const name = rest[end]!.replace(/^--/, "");
    end += !name.includes("=") && types[name]?.type === "string" ? 2 : 1;
  }
  const command = rest.slice(rest[end] === "--" ? end + 1 : end);
  try {
    const { values } = parseArgs({ args: rest.slice(0, end), options: types, strict: true });
    if (action === "config" && command.length > 0) throw new TypeError(`unexpected argument '${command[0]}'`);
    return { flags: values as KrunArguments["flags"], action, command };
  } catch (error) {
    throw new UsageError({
      tried: `read the arguments of krun${action === "config" ? " config" : ""}`,
      got: (error as Error).message.split(". ")[0]!,
      fix: "krun --help",
    });
  }
}

/** The help text, its flags from the table of settings. */
export function krunHelp(): string {
  return `krun: runs an app as a member of an Istio service mesh, without an injector

Usage:
  krun [flags] [--] PROGRAM [ARGUMENT…]   prepare the mesh, then run the app
  krun [flags]                            the same for an app in another container of this instance
  krun config [flags] [--output json]     print every setting, its value and its source
  krun doctor [--service NAME]            what is wrong, seen from here (krun doctor --help)
  krun iptables --dry-run|--apply|…       the rules of capture by hand (krun iptables --help)

Flags (each also a variable of the environment):
${flagsHelp(TABLE)}
  --help             this text
  --version          the version

All variables: krun config. Exit code: 2 wrong use, 1 the mesh could not be joined, else the app's own.
`;
}

/** A line for each flag of a table. */
export function flagsHelp(table: Table): string {
  return Object.values(table).filter((setting) => setting.flag)
    .map((setting) => `  --${setting.flag!.padEnd(16)} ${setting.help} (${setting.variable})`).join("\n");
}
