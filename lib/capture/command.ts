import { Problem, UsageError } from "../base/errors.ts";
import { makeRules, readAll } from "./apply.ts";
import { type Backend, probeBackends, programOf } from "./backend.ts";
import { differences } from "./differences.ts";
import { FAMILIES } from "./family.ts";
import { captureSettingsHere, planRules, type Surroundings, surroundingsHere } from "./plan.ts";
import { summary } from "./refusal.ts";
import { removeRules } from "./remove.ts";
import { type Run, runHere } from "./run.ts";
import { NOTHING_SAVED } from "./saved.ts";
import type { CaptureSettings } from "./settings.ts";
import { ownPart, transition } from "./transition.ts";
import type { Variables } from "./variables.ts";

export const IPTABLES_HELP = `krun iptables: rules that lead the app's traffic to the proxy

Usage:
  krun iptables --dry-run   print what is fed to iptables-restore; no privilege is needed
  krun iptables --apply     make the rules; where they are there, nothing happens
  krun iptables --check     compare the rules that are there; 1 where they differ, and in what
  krun iptables --cleanup   remove them

Variables: OUTBOUND_IP_RANGES_INCLUDE (10.0.0.0/8), OUTBOUND_PORTS_EXCLUDE (15008,15009) and others, docs/capture.md
`;

const ACTIONS = ["--dry-run", "--apply", "--check", "--cleanup"] as const;
type Action = typeof ACTIONS[number];

/** The outside world of the command. */
export interface CommandOutside {
  readonly environment: Variables;
  readonly print: (text: string) => void;
  /** @default those of this machine */
  readonly around?: Surroundings;
  /** @default runs programs of this machine */
  readonly run?: Run;
}

/**
 * `krun iptables ACTION`.
 * @returns 0, or 1 where --check finds differences
 * @throws {UsageError} not one action, or a variable that does not fit
 * @throws {Problem} iptables does not work here, or refuses the rules
 */
export async function iptablesCommand(args: readonly string[], outside: CommandOutside): Promise<number> {
  const { print, run = runHere } = outside;
  if (args.includes("--help")) {
    print(IPTABLES_HELP);
    return 0;
  }
  const action = actionOf(args);
  if (action === "--cleanup") return await cleanup(run, print);
  const settings = await captureSettingsHere(outside.environment);
  const around = outside.around ?? await surroundingsHere();
  if (action === "--dry-run") {
    print(dryRun(settings, around));
    return 0;
  }
  const backend = await workingBackend(run, settings);
  const { rules, notes } = planRules(settings, around, backend.ipv6);
  const program = programOf(backend.name, 4, "");
  for (const note of notes) print(`${note}\n`);
  const saved = await readAll(run, backend);
  const found = FAMILIES.flatMap((family) => differences(family, ownPart(saved[family]), rules[family]));
  if (action === "--check") {
    print(found.length === 0 ? `${program}: the rules are as they should be\n` : `${found.join("\n")}\n`);
    return found.length === 0 ? 0 : 1;
  }
  await makeRules(run, backend, rules);
  print(`${program}: ${found.length === 0 ? "the rules were there" : "the rules are made"}\n`);
  return 0;
}

function actionOf(args: readonly string[]): Action {
  const [action] = ACTIONS.filter((action) => args.includes(action));
  if (action && args.length === 1) return action;
  throw new UsageError({
    tried: `run krun iptables ${args.join(" ")}`.trimEnd(),
    got: args.length === 0 ? "no action" : "not one of its actions alone",
    fix: `give one of ${ACTIONS.join(", ")}`,
  });
}

/** What a namespace without rules of ours is fed. */
function dryRun(settings: CaptureSettings, around: Surroundings): string {
  const { rules, ipv6, notes } = planRules(settings, around, true);
  const name = settings.backend === "auto" ? "default" : settings.backend;
  return [
    ...notes.map((note) => `# ${note}\n`),
    ...FAMILIES.filter((family) => family === 4 || ipv6).map((family) =>
      `# ${programOf(name, family, "restore")} --noflush\n${transition(NOTHING_SAVED, rules[family])}`
    ),
  ].join("");
}

async function workingBackend(run: Run, settings: CaptureSettings): Promise<Backend> {
  const probe = await probeBackends(run, settings.backend);
  if ("backend" in probe) return probe.backend;
  throw new Problem({
    tried: "use iptables",
    got: probe.because,
    fix: "run as root with NET_ADMIN and iptables in the image",
  });
}

async function cleanup(run: Run, print: (text: string) => void): Promise<number> {
  const { removed, refusals, tried } = await removeRules(run);
  for (const program of removed) print(`${program}: the rules are removed\n`);
  if (refusals.length === tried) {
    throw new Problem({
      tried: "remove the rules of iptables",
      got: summary(refusals),
      fix: "run as root with NET_ADMIN and iptables in the image",
    });
  }
  if (removed.length === 0) print("no rules are there\n");
  return 0;
}
