import { Problem, UsageError } from "../lib/base/errors.ts";
import { redact } from "../lib/base/secret.ts";
import { logger, setUpLogging } from "../lib/base/log.ts";
import { warmUpTls } from "../lib/base/warm_up.ts";
import { VERSION } from "../lib/base/version.ts";
import { environmentLayers, flagLayer, resolve, resolveTable } from "../lib/settings/mod.ts";
import { ADMIN_NAMES, type AdminName } from "./admin_names.ts";
import { captureVariables } from "./capture_variables.ts";
import { krunHelp, parseKrunArguments } from "./arguments.ts";
import { invokedAs } from "./invoked_as.ts";
import { Interrupted } from "./signals.ts";

const HELP = `cloud-run-mesh ${VERSION}: brings Cloud Run and plain containers into an Istio service mesh

Usage:
  cloud-run-mesh krun [flags] [--] PROGRAM [ARGUMENT…]   run an app in the mesh (krun --help)
  cloud-run-mesh krun config                             print every setting and its source
  cloud-run-mesh krun doctor                             what is wrong, seen from this container
  cloud-run-mesh hgate [flags]                           lead the mesh to Cloud Run (hgate --help)
  cloud-run-mesh hgate routes                            print what a running gate knows
  cloud-run-mesh --version

For administrators (each has --help, --dry-run and --output json):
${Object.entries(ADMIN_NAMES).map(([name, does]) => `  cloud-run-mesh ${name.padEnd(20)} ${does}`).join("\n")}

Invoked by a command's name (a link or copy), it is that command.
`;

/** Whether what reads standard error expects a JSON object a line. */
let jsonLogs = false;
/** Who says why it ends. */
let speaker = "cloud-run-mesh";

type Command = (args: readonly string[]) => Promise<number>;
const COMMANDS: Readonly<Record<string, Command>> = {
  krun: orDoctor(runKrun),
  hgate: orDoctor(runHgate),
  ...Object.fromEntries(
    (Object.keys(ADMIN_NAMES) as AdminName[]).map((name) => [name, (args: readonly string[]) => runAdmin(name, args)]),
  ),
};
/** Names that the executable answers to when it is linked or copied to them. */
const NAMES = Object.keys(COMMANDS);

/** Runs the command that the program's own name or the first word names. @returns the exit code */
export async function main(args: readonly string[], name: string): Promise<number> {
  try {
    const [word, ...rest] = NAMES.includes(name) ? [name, ...args] : args;
    if (word === "--version") return print(`${VERSION}\n`);
    if (word === "--help" || word === "help") return print(HELP);
    const command = COMMANDS[word ?? ""];
    if (command) {
      speaker = word!;
      return await command(rest);
    }
    throw new UsageError({
      tried: `run ${word ? `command "${word}"` : "without a command"}`,
      got: `the commands are ${NAMES.join(", ")}`,
      fix: "cloud-run-mesh --help",
    });
  } catch (error) {
    return report(error);
  }
}

/** `krun doctor`, `hgate doctor`: an image has the executable under one name alone. */
function orDoctor(command: Command): Command {
  return (args) => args[0] === "doctor" ? runAdmin("doctor", args.slice(1)) : command(args);
}

async function runKrun(args: readonly string[]): Promise<number> {
  const { flags, action, command } = parseKrunArguments(args);
  if (flags["help"]) return print(krunHelp());
  if (flags["version"]) return print(`${VERSION}\n`);
  const environment = Deno.env.toObject();
  const settings = resolve([flagLayer(flags), ...environmentLayers(environment)]);
  await logAs(settings, { quiet: action !== "run", environment });
  if (action === "iptables") {
    const { iptablesCommand } = await import("../lib/capture/mod.ts");
    return await iptablesCommand([...command], { environment: captureVariables(environment), print });
  }
  if (action === "config") {
    const { config } = await import("./config.ts");
    return await config({ environment, flags }, print, Deno.stdout.isTerminal() && !environment["NO_COLOR"]);
  }
  warmUpTls(); // while krun's modules load
  const { krun } = await import("./krun.ts");
  return await krun(command, { environment, flags });
}

async function runHgate(args: readonly string[]): Promise<number> {
  const { parseHgateArguments, hgateHelp } = await import("./hgate_arguments.ts");
  const { HGATE_TABLE } = await import("./hgate_settings.ts");
  const { flags, action, url } = parseHgateArguments(args);
  if (flags["help"]) return print(hgateHelp());
  if (flags["version"]) return print(`${VERSION}\n`);
  const environment = Deno.env.toObject();
  const settings = resolveTable(HGATE_TABLE, [
    flagLayer(flags, HGATE_TABLE),
    { source: "environment", values: environment },
  ]);
  await logAs(settings, { quiet: action !== "run", environment });
  if (action === "routes") {
    const { hgateRoutes } = await import("./hgate_routes.ts");
    return await hgateRoutes({ port: settings.httpPort, output: flags["output"] }, print);
  }
  if (action === "ask") {
    const { hgateAsk } = await import("./hgate_ask.ts");
    return await hgateAsk(url, { print, terminationLog: environment["TERMINATION_LOG"] });
  }
  if (action === "envoy-bootstrap" || action === "envoy-drain") {
    const { envoyBootstrap, envoyDrain } = await import("./hgate_envoy.ts");
    return action === "envoy-drain" ? await envoyDrain(settings) : print(envoyBootstrap(settings));
  }
  const { hgate } = await import("./hgate.ts");
  return await hgate(settings, { environment });
}

async function runAdmin(name: AdminName, args: readonly string[]): Promise<number> {
  const environment = Deno.env.toObject();
  const debug = environment["MESH_DEBUG"] !== undefined;
  await logAs({ debug, logFormat: "text" }, { quiet: true, environment });
  const { admin } = await import("./admin.ts");
  return await admin(name, args, { environment, print });
}

/** Sets up the log; @param quiet for commands whose output is for people: warnings only, and an error in words */
async function logAs(
  { debug, logFormat }: { debug: boolean; logFormat: "auto" | "text" | "json" },
  { quiet, environment }: { quiet: boolean; environment: Readonly<Record<string, string>> },
): Promise<void> {
  const terminal = Deno.stderr.isTerminal();
  const format = logFormat === "auto" ? (terminal ? "text" : "json") : logFormat;
  jsonLogs = !quiet && format === "json";
  await setUpLogging({
    level: debug ? "debug" : quiet ? "warning" : "info",
    format,
    colour: terminal && !environment["NO_COLOR"],
  });
}

/** Says why the program ends: the reason for people on standard error. @returns 2 for wrong use, 128 + n for signal n, else 1 */
function report(error: unknown): number {
  if (error instanceof Interrupted) return error.exitCode;
  const text = error instanceof Problem
    ? `cannot ${error.message}`
    : `unexpected: ${error instanceof Error ? error.stack ?? error.message : String(error)}`;
  if (jsonLogs) logger(speaker).error(text);
  else Deno.stderr.writeSync(new TextEncoder().encode(`${speaker}: ${redact(text)}\n`));
  return error instanceof UsageError ? 2 : 1;
}

function print(text: string): number {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args, invokedAs()));
