import { Problem, reasonOf } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import { mayAdministerNetwork } from "../base/privilege.ts";
import { makeRules, type RuleSets } from "./apply.ts";
import { type Backend, type Probe, probeBackends, programOf } from "./backend.ts";
import { cannotCapture, type CaptureMode, decideCapture, decideUnseen } from "./decide.ts";
import { differences } from "./differences.ts";
import { FAMILIES } from "./family.ts";
import { addPassthroughAddress } from "./passthrough_address.ts";
import { planRules, type Surroundings, surroundingsHere } from "./plan.ts";
import { type Run, runHere } from "./run.ts";
import type { CaptureSettings } from "./settings.ts";

const log = logger("krun", "capture");

const NOT_PERMITTED = "it needs root with NET_ADMIN";

/** Rules that are in force; disposal brings back what was ours before them, usually nothing. */
export interface Capture extends AsyncDisposable {
  readonly use: "iptables";
  /** e.g. `iptables-nft`. */
  readonly program: string;
  readonly ipv6: boolean;
  /** False where exactly these rules were there before: they stay at the end. */
  readonly made: boolean;
}

/** What a start comes to where there are no rules. */
export type NoCapture =
  | ({ readonly use: "whitebox"; readonly because: string } & AsyncDisposable)
  | ({ readonly use: "none" } & AsyncDisposable);

export interface CaptureOptions {
  readonly settings: CaptureSettings;
  /** @default those of this machine */
  readonly around?: Surroundings;
  /** @default runs programs of this machine */
  readonly run?: Run;
}

/**
 * Makes the rules and keeps them until disposal. Nothing but chains of ours, and the jumps to them, is touched.
 * @throws {Problem} they cannot be made; everything is as it was
 */
export async function applyCapture(backend: Backend, options: CaptureOptions): Promise<Capture> {
  const { settings, around = await surroundingsHere(), run = runHere } = options;
  const { rules, ipv6, notes } = planRules(settings, around, backend.ipv6);
  for (const note of notes) log.warn(note);
  const before = await makeRules(run, backend, rules);
  const removeAddress = ipv6 && settings.inboundPorts.length > 0 ? await addPassthroughAddress(run) : undefined;
  if (typeof removeAddress === "string") log.warn(`inbound IPv6 does not reach the app: ${removeAddress}`);
  return {
    use: "iptables",
    program: programOf(backend.name, 4, ""),
    ipv6,
    made: !sameRuleSets(before, rules),
    async [Symbol.asyncDispose]() {
      try {
        await makeRules(run, backend, before);
        if (typeof removeAddress === "function") await removeAddress();
      } catch (error) {
        // The instance ends; whoever goes on in this network namespace has to know.
        log.warn(`rules of iptables are left behind, krun iptables --cleanup removes them: ${reasonOf(error)}`);
      }
    },
  };
}

/** Finds a back end that works here, {@link probeBackends}. */
export type LookForIptables = (preference: CaptureSettings["backend"]) => Promise<Probe>;

/**
 * A look that is not taken twice: asked early, its answer is there when it is needed.
 * @param permitted without the permission no program is run only to say so: in gVisor each takes tens of milliseconds
 */
export function lookOnce(run: Run = runHere, permitted: () => boolean = mayAdministerNetwork): LookForIptables {
  const taken = new Map<CaptureSettings["backend"], Promise<Probe>>();
  return (preference) => {
    const look = taken.get(preference) ??
      (permitted() ? probeBackends(run, preference) : Promise.resolve({ because: NOT_PERMITTED }));
    taken.set(preference, look);
    return look;
  };
}

/**
 * Capture as `mode` asks for it: rules, or the reason why not. What a probe cannot see (a module that the kernel lacks)
 * shows when the rules are made, and counts the same.
 * @throws {Problem} capture is required and cannot be had
 * @throws {UsageError} capture is required, and refused by ISTIO_META_INTERCEPTION_MODE
 */
export async function startCapture(
  mode: CaptureMode,
  options: CaptureOptions & {
    readonly interceptionMode?: string | undefined;
    readonly proxyApart?: boolean;
    /** One that may have begun already. */
    readonly look?: LookForIptables;
  },
): Promise<Capture | NoCapture> {
  const unseen = decideUnseen(mode, options.interceptionMode, options.proxyApart);
  if (unseen) return nothingToUndo(unseen);
  const { look = lookOnce(options.run) } = options;
  const probe = await look(options.settings.backend);
  const decision = decideCapture(mode, probe);
  if (decision.use !== "iptables") return nothingToUndo(decision);
  try {
    return await applyCapture(decision.backend, options);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return nothingToUndo(cannotCapture(mode, reasonOf(error)));
  }
}

function nothingToUndo<T extends object>(value: T): T & AsyncDisposable {
  return { ...value, [Symbol.asyncDispose]: () => Promise.resolve() };
}

function sameRuleSets(one: RuleSets, other: RuleSets): boolean {
  return FAMILIES.every((family) => differences(family, one[family], other[family]).length === 0);
}
