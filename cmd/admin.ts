import { reasonOf } from "../lib/base/errors.ts";
import { linked } from "../lib/base/linked.ts";
import { redact } from "../lib/base/secret.ts";
import {
  type AdminContext,
  adminContext,
  documentOf,
  endText,
  exitCodeOf,
  type OutputFormat,
  runPlan,
} from "../lib/admin/mod.ts";
import { type AdminArguments, adminHelp, flagsOf, parseAdminArguments } from "./admin_arguments.ts";
import type { AdminCommand, LookingCommand } from "./admin_command.ts";
import type { AdminName } from "./admin_names.ts";
import { ask } from "./ask.ts";
import { Interrupted, listenForSignals } from "./signals.ts";
import { type TerminalWitness, terminalWitness } from "./terminal_witness.ts";

const DEFAULT_TIMEOUT_MS = 300_000;

type Loaded = Promise<AdminCommand | LookingCommand>;

/** Each is loaded when it is run. */
const ADMIN_COMMANDS: Readonly<Record<AdminName, () => Loaded>> = {
  "setup-namespace": () => import("./setup_namespace.ts").then(({ command }) => command),
  "teardown-namespace": () => import("./teardown_namespace.ts").then(({ command }) => command),
  "register-service": () => import("./register_service.ts").then(({ command }) => command),
  "unregister-service": () => import("./unregister_service.ts").then(({ command }) => command),
  deploy: () => import("./deploy.ts").then(({ command }) => command),
  "add-service": () => import("./add_service.ts").then(({ command }) => command),
  "remove-service": () => import("./remove_service.ts").then(({ command }) => command),
  doctor: () => import("./doctor.ts").then(({ command }) => command),
};

export interface AdminOutside {
  environment: Readonly<Record<string, string>>;
  print: (text: string) => void;
}

/**
 * Runs an admin command: plan → show → ask → apply → verify → report.
 * @returns the exit code
 */
export async function admin(name: AdminName, args: readonly string[], outside: AdminOutside): Promise<number> {
  const command = await ADMIN_COMMANDS[name]();
  const flags = flagsOf(command);
  const parsed = parseAdminArguments({ ...command, flags }, args);
  if (parsed.is("help")) {
    outside.print(adminHelp({ ...command, flags }));
    return 0;
  }
  using signals = listenForSignals(false);
  using ending = linked(signals.first);
  using context = adminContext({
    project: parsed.text("project"),
    region: parsed.text("region"),
    cluster: parsed.text("cluster"),
    location: parsed.text("location"),
    context: parsed.text("context"),
  }, outside);
  const output = (parsed.text("output") ?? "text") as OutputFormat;
  const colour = {
    stdout: Deno.stdout.isTerminal() && !outside.environment["NO_COLOR"],
    stderr: Deno.stderr.isTerminal() && !outside.environment["NO_COLOR"],
  };
  const witness = terminalWitness({
    isForPeople: output === "text",
    isAgreed: parsed.is("yes"),
    print: (text) => outside.print(redact(text)),
    ask: (question) => ask(question, ending.signal),
    colour,
  });
  // What is being done ends by the first; what would not end ends by the second.
  signals.hurry.addEventListener("abort", () => {
    witness.end();
    Deno.exit((signals.first.reason as Interrupted).exitCode);
  });
  try {
    if ("look" in command) {
      witness.moment("looking");
      const print = (text: string) => {
        witness.end(); // what is printed does not go behind a spinner
        outside.print(redact(text));
      };
      return await command.look(parsed, context, { signal: ending.signal, print, hasColour: colour.stdout });
    }
    const { signal } = ending;
    const { print } = outside;
    return await change(command, parsed, context, { output, witness, signal, print, hasColour: colour.stdout });
  } catch (error) {
    if (!signals.first.aborted) throw error;
    // What fails once changes have begun is in the outcome.
    witness.end();
    if (!("look" in command)) witness.say("interrupted: nothing was changed");
    throw signals.first.reason;
  } finally {
    witness.end();
  }
}

async function change(
  command: AdminCommand,
  args: AdminArguments,
  context: AdminContext,
  { output, witness, signal, print, hasColour }: {
    output: OutputFormat;
    witness: TerminalWitness;
    signal: AbortSignal;
    print: (text: string) => void;
    hasColour: boolean;
  },
): Promise<number> {
  const text = await command.text?.(args, context);
  if (text !== undefined) {
    witness.end();
    print(redact(typeof text === "string" ? text : await documentOf(text, output === "yaml" ? "yaml" : "json")));
    return 0;
  }
  const timeoutMs = args.durationMs("timeout") ?? DEFAULT_TIMEOUT_MS;
  witness.moment("looking at what is there");
  const planning = command.plan(args, context, { signal, timeoutMs, progress: witness.progress });
  const plan = await unlessAborted(planning, signal);
  const outcome = await runPlan(plan, {
    command: [command.name, ...args.words].join(" "),
    isDryRun: args.is("dry-run"),
    signal,
    witness,
  });
  witness.end();
  print(redact(output === "text" ? endText(outcome, hasColour) : await documentOf(outcome, output)));
  if (signal.aborted) return signal.reason instanceof Interrupted ? signal.reason.exitCode : fail(signal.reason);
  return exitCodeOf(outcome);
}

/** What only looks is left behind, whatever it waits for. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const over = Promise.withResolvers<never>();
  const stop = () => over.reject(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  work.catch(() => {});
  return await Promise.race([work, over.promise]).finally(() => signal.removeEventListener("abort", stop));
}

function fail(reason: unknown): never {
  throw new Error(reasonOf(reason));
}
