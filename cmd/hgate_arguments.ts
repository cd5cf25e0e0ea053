import { parseArgs } from "node:util";
import { UsageError } from "../lib/base/errors.ts";
import { flagsHelp, optionTypes } from "./arguments.ts";
import { HGATE_TABLE } from "./hgate_settings.ts";

/** hgate's command line: an action, and its flags in any place. */
export interface HgateArguments {
  flags: Readonly<Record<string, string | boolean | undefined>>;
  action: "run" | typeof HGATE_ACTIONS[number];
  /** The word behind `ask`. */
  url: string | undefined;
}

const HGATE_ACTIONS = ["routes", "ask", "envoy-bootstrap", "envoy-drain"] as const;

/** @throws {UsageError} an unknown flag or action */
export function parseHgateArguments(args: readonly string[]): HgateArguments {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: optionTypes(HGATE_TABLE),
      strict: true,
      allowPositionals: true,
    });
    const [word, ...more] = positionals;
    const action = HGATE_ACTIONS.find((action) => action === word);
    const url = action === "ask" ? more.shift() : undefined;
    if (more.length > 0 || (word !== undefined && !action)) {
      throw new TypeError(`unexpected argument '${more[0] ?? word}'`);
    }
    return { flags: values as HgateArguments["flags"], action: action ?? "run", url };
  } catch (error) {
    throw new UsageError({
      tried: "read the arguments of hgate",
      got: (error as Error).message.split(". ")[0]!,
      fix: "hgate --help",
    });
  }
}

/** The help text, its flags from the table of settings. */
export function hgateHelp(): string {
  return `hgate: leads the mesh's workloads to Cloud Run, and workloads outside the cluster to istiod

Usage:
  hgate [flags]                     run the gate (in a pod: manifests/hgate)
  hgate routes [--output json]      what a running gate knows, from its port ${HGATE_TABLE.httpPort.fallback}
  hgate doctor                      what is wrong, seen from here
  hgate ask URL                     asks until there is an answer below 500: from a pod, whether the mesh leads there
  hgate envoy-bootstrap [flags]     the configuration for an Envoy in a container of its own
  hgate envoy-drain [flags]         ends such an Envoy's streams in order (a preStop hook)

Flags (each also a variable of the environment):
${flagsHelp(HGATE_TABLE)}
  --help             this text
  --version          the version
`;
}
