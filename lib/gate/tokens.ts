import { Problem, reasonOf } from "../base/errors.ts";
import { type Later, later } from "../base/later.ts";
import { logger } from "../base/log.ts";
import type { IdTokenSource } from "../gcp/mod.ts";
import type { IdTokens } from "./route.ts";
import { type AudienceContext, AudienceToken } from "./tokens_audience.ts";
import { Slots } from "./tokens_slots.ts";

const log = logger("hgate", "tokens");

export interface GateTokensOptions {
  source: IdTokenSource;
  /** Life that a token handed out has left, and a tenth of its whole life at most. @default {30000} */
  marginMs?: number | undefined;
  /** Least time between two fetches of an audience whose tokens are refused. @default {5000} */
  refetchMs?: number | undefined;
  /** Fetches ahead of need at once; who waits for a token is not held up by it. @default {16} */
  atOnce?: number | undefined;
  now?: (() => number) | undefined;
  random?: (() => number) | undefined;
  /** @default {setTimeout} */
  after?: Later | undefined;
}

/** What is known of the tokens, for metrics. */
export interface TokenStats {
  /** Fetches since the start by how they ended. */
  fetches: { ok: number; failed: number };
  /** By audience: when the token at hand ends, milliseconds since 1970; what the last fetch failed with. */
  audiences: ReadonlyMap<string, { expiresAt: number | undefined; problem: string | undefined }>;
}

/** Failures of many audiences at once are one line a minute. */
const LOG_EVERY_MS = 60_000;

/**
 * The ID tokens of the registered services: fetched ahead of need, renewed at two thirds of their life, served through an outage of
 * their source for as long as they live. While the source fails it is asked again with back-off (a minute at most), and who needs a
 * token meanwhile gets the failure at once.
 */
export class GateTokens implements IdTokens, Disposable {
  readonly #audiences = new Map<string, AudienceToken>();
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #context: AudienceContext;
  readonly #fetches = { ok: 0, failed: 0 };
  #loggedAt = -Infinity;
  #unlogged = 0;

  constructor(options: GateTokensOptions) {
    const { marginMs = 30_000, refetchMs = 5_000, now = Date.now, random = Math.random, after = later } = options;
    this.#context = {
      source: options.source,
      slots: new Slots(options.atOnce ?? 16),
      now,
      random,
      after,
      marginMs,
      refetchMs,
      fetched: (audience, error) => this.#count(audience, error),
      renewed: (audience) => this.#tell(audience),
    };
  }

  /**
   * The audiences of all registered services: tokens of new ones are fetched now, those of others forgotten. To be called before the
   * engine is given the routes: it gets tokens for these audiences only.
   */
  keep(audiences: Iterable<string>): void {
    const wanted = new Set(audiences);
    for (const [audience, token] of this.#audiences) {
      if (wanted.has(audience)) continue;
      token[Symbol.dispose]();
      this.#audiences.delete(audience);
    }
    for (const audience of wanted) {
      if (this.#audiences.has(audience)) continue;
      const token = new AudienceToken(audience, this.#context);
      this.#audiences.set(audience, token);
      void token.refresh();
    }
  }

  /** @throws {Problem} also where no registered service has this audience */
  async get(audience: string): ReturnType<IdTokens["get"]> {
    const token = this.#audiences.get(audience);
    if (!token) {
      throw new Problem({
        tried: `get an ID token for ${audience}`,
        got: "no registered service has this audience",
      });
    }
    const { value, expiresAt } = await token.get();
    return { value, expiresAt };
  }

  drop(audience: string): void {
    this.#audiences.get(audience)?.drop();
  }

  /** `take` is called whenever another token is there: a first one, one ahead of the old one's end, one after an outage. */
  onRenewed(audience: string, take: () => void): () => void {
    const own = () => take(); // the same function may be given twice
    const listeners = this.#listeners.get(audience) ?? new Set();
    this.#listeners.set(audience, listeners.add(own));
    return () => {
      listeners.delete(own);
      if (listeners.size === 0 && this.#listeners.get(audience) === listeners) this.#listeners.delete(audience);
    };
  }

  stats(): TokenStats {
    return {
      fetches: { ...this.#fetches },
      audiences: new Map([...this.#audiences].map(([audience, token]) => [audience, token.state])),
    };
  }

  /** Asks for nothing any more; a `get` rejects. */
  [Symbol.dispose](): void {
    this.keep([]);
    this.#listeners.clear();
  }

  #tell(audience: string): void {
    for (const take of [...this.#listeners.get(audience) ?? []]) take();
  }

  #count(audience: string, error: Error | undefined): void {
    if (!error) {
      this.#fetches.ok++;
      return;
    }
    this.#fetches.failed++;
    const now = this.#context.now();
    if (now - this.#loggedAt < LOG_EVERY_MS) return void this.#unlogged++;
    const { expiresAt } = this.#audiences.get(audience)?.state ?? {};
    const leftS = expiresAt === undefined ? 0 : Math.max(0, Math.round((expiresAt - now) / 1_000));
    const fix = error instanceof Problem && error.fix ? `; do: ${error.fix}` : "";
    const text = `no ${leftS > 0 ? "newer " : ""}ID token for ${audience}: ${reasonOf(error)}${fix}`;
    const fields = { goodForS: leftS, furtherFailures: this.#unlogged };
    if (leftS > 0) log.warn(text, fields);
    else log.error(text, fields);
    this.#loggedAt = now;
    this.#unlogged = 0;
  }
}
