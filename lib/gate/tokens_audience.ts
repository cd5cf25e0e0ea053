import { Problem, reasonOf } from "../base/errors.ts";
import type { Later } from "../base/later.ts";
import { backOffMs, renewAfterMs } from "../base/renewal.ts";
import type { IdToken, IdTokenSource } from "../gcp/mod.ts";
import type { Slots } from "./tokens_slots.ts";

/** What all audiences share. */
export interface AudienceContext {
  source: IdTokenSource;
  slots: Slots;
  now: () => number;
  random: () => number;
  after: Later;
  /** Life that a token handed out has left, and a tenth of its whole life at most. */
  marginMs: number;
  /** Shortest time between a token's arrival and its replacement because it was refused. */
  refetchMs: number;
  /** Told after every fetch. */
  fetched: (audience: string, error: Error | undefined) => void;
  /** Told when another token than before is there. */
  renewed: (audience: string) => void;
}

/** The token of one audience: one flight at a time, renewed ahead of its end, asked for again with back-off. */
export class AudienceToken implements Disposable {
  readonly #stop = new AbortController();
  #held: IdToken | undefined;
  #heldSince = 0;
  /** The front end did not take {@link #held}. */
  #isRefused = false;
  #failures = 0;
  #problem: Error | undefined;
  /** Before this the source is left in peace. */
  #nextTryAt = 0;
  #flight: Promise<void> | undefined;
  #hurry = () => {};
  #callOff = () => {};

  constructor(readonly audience: string, readonly context: AudienceContext) {}

  /** When the token at hand ends, and why there is no newer one. */
  get state(): { expiresAt: number | undefined; problem: string | undefined } {
    return { expiresAt: this.#held?.expiresAt, problem: this.#problem && reasonOf(this.#problem) };
  }

  async get(): Promise<IdToken> {
    if (this.#isUsable() && !this.#isRefused) return this.#held!;
    if (this.#flight || this.context.now() >= this.#nextTryAt) {
      const flight = this.refresh();
      this.#hurry();
      await flight;
    }
    // One that was refused may still do where nothing else is to be had: the front end says.
    if (this.#isUsable()) return this.#held!;
    if (!this.#stop.signal.aborted && this.#problem) throw this.#problem;
    throw new Problem({ tried: `get an ID token for ${this.audience}`, got: reasonOf(this.#stop.signal.reason) });
  }

  /** The token at hand was refused: it is replaced, unless it has only just come. */
  drop(): void {
    const { now, refetchMs } = this.context;
    if (!this.#held || this.#isRefused || now() - this.#heldSince < refetchMs) return;
    this.#isRefused = true;
    if (now() >= this.#nextTryAt) void this.refresh();
  }

  /** Asks the source, if nobody does already. Never rejects. */
  refresh(): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.resolve();
    return this.#flight ??= this.#fetch().finally(() => this.#flight = undefined);
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error("no registered service has this audience any more"));
    this.#callOff();
    this.#hurry();
  }

  async #fetch(): Promise<void> {
    const { slots, source } = this.context;
    this.#callOff();
    const { taken, hurry } = slots.take();
    this.#hurry = hurry;
    await taken;
    try {
      if (this.#stop.signal.aborted) return;
      this.#take(await source.idToken(this.audience, { signal: this.#stop.signal }));
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    } finally {
      slots.release();
    }
  }

  #take(token: IdToken): void {
    if (this.#stop.signal.aborted) return;
    const { now, random, fetched, renewed } = this.context;
    const usableMs = token.expiresAt - this.#marginMs(token) - now();
    if (usableMs <= 0) {
      throw new Problem({
        tried: `get an ID token for ${this.audience} from ${this.context.source.origin}`,
        got: `one that ends in ${Math.round((token.expiresAt - now()) / 1_000)} s`,
      });
    }
    const isOther = this.#held?.value.reveal() !== token.value.reveal();
    this.#held = token;
    this.#heldSince = now();
    this.#isRefused = false;
    this.#failures = 0;
    this.#problem = undefined;
    this.#nextTryAt = 0;
    const dueMs = token.issuedAt + renewAfterMs(token, random) - now();
    // A source with a cache of its own gives the same token until shortly before its end: asked ever more often, but never at once.
    this.#plan(dueMs > 0 ? dueMs : Math.max(SOONEST_AGAIN_MS, usableMs / 2));
    fetched(this.audience, undefined);
    if (isOther) renewed(this.audience);
  }

  #fail(error: Error): void {
    if (this.#stop.signal.aborted) return;
    const { now, random, fetched } = this.context;
    this.#problem = error;
    const waitMs = backOffMs(++this.#failures, { random });
    this.#nextTryAt = now() + waitMs;
    this.#plan(waitMs);
    fetched(this.audience, error);
  }

  #plan(waitMs: number): void {
    this.#callOff = this.context.after(waitMs, () => void this.refresh());
  }

  #isUsable(): boolean {
    const held = this.#held;
    return held !== undefined && held.expiresAt - this.#marginMs(held) > this.context.now();
  }

  #marginMs(token: IdToken): number {
    return Math.min(this.context.marginMs, (token.expiresAt - token.issuedAt) / 10);
  }
}

const SOONEST_AGAIN_MS = 5_000;
