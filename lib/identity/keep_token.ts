import { writeAtomically } from "../base/atomic_file.ts";
import { reasonOf } from "../base/errors.ts";
import { type Later, later } from "../base/later.ts";
import { logger } from "../base/log.ts";
import { backOffMs, renewAfterMs, SOON_AGAIN_MS } from "../base/renewal.ts";
import type { ServiceAccountToken } from "../kube/mod.ts";
import { PROXY_USER } from "./paths.ts";

const log = logger("krun", "identity");

export interface KeepTokenOptions {
  path: string;
  /** Asks the API server for a token. */
  issue: (signal?: AbortSignal) => Promise<ServiceAccountToken>;
  /** How long a token is used, if less than two thirds of its life. */
  renewAfterMs?: number | undefined;
  now?: () => number;
  random?: () => number;
  /** @default {setTimeout} */
  after?: Later;
}

/** A token file that stays valid. */
export interface KeptToken extends AsyncDisposable {
  /** When the token in the file ends, milliseconds since 1970. */
  expiresAt(): number;
  /** Another token at once. @throws what `issue` throws; the old one stays */
  renewNow(): Promise<void>;
}

/**
 * Writes a token to `path` for Envoy's user and renews it. A renewal that fails leaves the file as it is and is tried again with
 * back-off, loudly once the token has ended.
 * @throws {Problem} the first token cannot be had or written
 */
export async function keepToken(options: KeepTokenOptions): Promise<KeptToken> {
  const now = options.now ?? Date.now;
  const stop = new AbortController();
  let current = await issueAndWrite();
  let failures = 0;
  let callOff = () => {};
  let running: Promise<void> | undefined;
  plan(untilRenewalMs());

  function untilRenewalMs(): number {
    return Math.min(options.renewAfterMs ?? Infinity, renewAfterMs(current, options.random));
  }

  async function issueAndWrite(): Promise<ServiceAccountToken> {
    const token = await options.issue(stop.signal);
    await writeAtomically(options.path, token.value.reveal(), { mode: 0o600, owner: PROXY_USER });
    return token;
  }

  function plan(waitMs: number): void {
    if (stop.signal.aborted) return;
    callOff = (options.after ?? later)(waitMs, () => running = renew());
  }

  async function renew(): Promise<void> {
    try {
      current = await issueAndWrite();
      failures = 0;
      log.info("token renewed", { audience: current.audience, until: new Date(current.expiresAt).toISOString() });
      plan(untilRenewalMs());
    } catch (error) {
      if (stop.signal.aborted) return;
      failures++;
      const leftMs = current.expiresAt - now();
      const state = leftMs > 0
        ? `the old one is good for ${Math.round(leftMs / 1_000)} s more`
        : "the old one has ended";
      const waitMs = backOffMs(failures, { longestMs: SOON_AGAIN_MS, random: options.random });
      const text = `token for ${current.audience} not renewed (${state}), next try in ${Math.round(waitMs)} ms: ${
        reasonOf(error)
      }`;
      if (leftMs > 0) log.warn(text);
      else log.error(text);
      plan(waitMs);
    }
  }

  return {
    expiresAt: () => current.expiresAt,
    async renewNow() {
      callOff();
      await running;
      callOff(); // what that has planned
      try {
        current = await issueAndWrite();
      } finally {
        plan(renewAfterMs(current, options.random));
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("krun ends"));
      callOff();
      await running;
    },
  };
}
