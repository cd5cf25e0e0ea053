import { lookup } from "node:dns/promises";
import { UsageError } from "../../base/errors.ts";
import type { Fetch } from "../../base/http.ts";
import { redact } from "../../base/secret.ts";
import { pathsBelow } from "../../identity/mod.ts";
import { isLabel } from "../../registration/mod.ts";
import { environmentLayers, resolve, type Settings } from "../../settings/mod.ts";
import type { AdminContext } from "../context.ts";
import { type About, decideAll } from "./check.ts";
import { CHECKS } from "./checks/all.ts";
import { clockWatch } from "./clock.ts";
import { type Counts, countsOf, type Finding } from "./finding.ts";
import { gather } from "./gather.ts";
import { type Place, placeOf } from "./place.ts";
import type { LocalPorts, Outside } from "./source.ts";
import { SOURCES } from "./sources/all.ts";

export interface DoctorOptions {
  context: AdminContext;
  /** Cloud Run service; without one its checks are not made. */
  service?: string | undefined;
  namespace?: string | undefined;
  /** E-mail of the gate's Google account, where the cluster does not say it. */
  gateAccount?: string | undefined;
  /** `--cluster` or `--context` was given. @default {false} */
  isClusterNamed?: boolean;
  /** Of each look. @default {5000} */
  timeoutMs?: number | undefined;
  signal: AbortSignal;
  /** @default {Date.now} */
  now?: () => number;
  /** @default the machine's own resolver */
  lookUp?: (name: string) => Promise<string[]>;
  /** @default as in krun's container */
  local?: LocalPorts;
}

/** The whole of `--output json`. */
export interface Report {
  place: Place;
  service?: string;
  namespace?: string;
  checks: Finding[];
  counts: Counts;
}

const DEFAULT_TIMEOUT_MS = 5_000;
const LOCAL_PORTS: LocalPorts = { envoyAdmin: 15_000, proxyReady: 15_021, gateStatus: 8_080 };

/**
 * Looks at everything that the checks need, at once what can be, and decides. Changes nothing.
 * @throws {UsageError} a name that is none  @throws what `signal` is aborted with
 */
export async function examine(options: DoctorOptions): Promise<Report> {
  const { context, service, namespace, gateAccount, signal, timeoutMs = DEFAULT_TIMEOUT_MS, now = Date.now } = options;
  for (const [flag, name] of [["--service", service], ["--namespace", namespace]]) {
    if (name !== undefined && !isLabel(name)) {
      throw new UsageError({ tried: `read ${flag}`, got: `"${name}"`, fix: "give a name of a-z, 0-9 and -" });
    }
  }
  const { environment } = context;
  const place = placeOf(environment, await isThere(pathsBelow(baseOf(environment)).processes));
  const clock = clockWatch(context.fetch ?? fetch as Fetch, now);
  using undo = new DisposableStack();
  const outside: Outside = {
    context,
    place,
    service,
    namespace,
    isClusterNamed: options.isClusterNamed ?? false,
    portMs: timeoutMs * 0.8,
    gateAccount,
    fetch: clock.fetch,
    now,
    googleAheadMs: clock.aheadMs,
    settings: place === "krun" ? ownSettings(environment) : undefined,
    local: options.local ?? LOCAL_PORTS,
    lookUp: options.lookUp ?? lookUp,
    undo,
  };
  const about: About = { place, service, namespace, gateAccount, now: now() };
  const checks = CHECKS.filter(({ isFor }) => isFor(about));
  const names = new Set(checks.flatMap(({ needs, wants }) => [...needs, ...wants]));
  const looked = await gather(SOURCES, names, outside, { timeoutMs, signal });
  const found = decideAll(checks, looked, SOURCES, { ...about, now: now() }).map(presentable);
  const seen = looked.namespace?.is === "known" ? looked.namespace.value as string : namespace;
  return {
    place,
    ...(service ? { service } : {}),
    ...(seen ? { namespace: seen } : {}),
    checks: found,
    counts: countsOf(found),
  };
}

/** What comes from outside is one line, and holds no secret. */
function presentable(finding: Finding): Finding {
  const line = (text: string) => redact(text).replace(/\s+/g, " ").trim();
  return { ...finding, seen: line(finding.seen), ...(finding.fix ? { fix: line(finding.fix) } : {}) };
}

/** A container's variables that cannot be read are krun's to complain of. */
function ownSettings(environment: AdminContext["environment"]): Settings {
  try {
    return resolve(environmentLayers(environment));
  } catch {
    return resolve([]);
  }
}

function baseOf(environment: AdminContext["environment"]): string {
  return environment["MESH_BASE_DIR"] ?? (Deno.uid() === 0 ? "/" : Deno.cwd());
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function lookUp(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}
