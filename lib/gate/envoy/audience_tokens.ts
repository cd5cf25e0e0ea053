import { reasonOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import type { Secret } from "../../base/secret.ts";
import type { IdTokens } from "../route.ts";

const log = logger("hgate", "envoy");

/** Tokens asked for at once: the source's own limits are for all of its clients. */
const MOST_AT_ONCE = 32;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;

interface Entry {
  readonly audience: string;
  readonly forget: () => void;
  wanted: boolean;
  failures: number;
  timer?: ReturnType<typeof setTimeout>;
  running?: Promise<void> | undefined;
  /** Asked for again while it was asked for. */
  again: boolean;
}

/** The ID tokens of all audiences at hand, each replaced when it is renewed or refused. */
export class AudienceTokens implements Disposable {
  readonly #tokens: IdTokens;
  readonly #onChange: () => void;
  readonly #entries = new Map<string, Entry>();
  readonly #values = new Map<string, Secret>();
  readonly #queue: (() => void)[] = [];
  #running = 0;

  /** @param onChange a token has come or been replaced */
  constructor(tokens: IdTokens, onChange: () => void) {
    this.#tokens = tokens;
    this.#onChange = onChange;
  }

  /** The token at hand, if any. */
  of(audience: string): Secret | undefined {
    return this.#values.get(audience);
  }

  /** Keeps tokens for these audiences and no others; resolves when each has been asked for once, with or without success. */
  async keep(audiences: ReadonlySet<string>): Promise<void> {
    for (const [audience, entry] of this.#entries) if (!audiences.has(audience)) this.#forget(entry);
    const first: Promise<void>[] = [];
    for (const audience of audiences) {
      if (this.#entries.has(audience)) continue;
      const entry: Entry = { audience, forget: () => forget(), wanted: true, failures: 0, again: false };
      const forget = this.#tokens.onRenewed(audience, () => void this.#refresh(entry));
      this.#entries.set(audience, entry);
      first.push(this.#refresh(entry));
    }
    await Promise.all(first);
  }

  /** The front end refused the token: another one is asked for at once. */
  refused(audience: string): void {
    const entry = this.#entries.get(audience);
    // One that is being asked for already is newer than the one that was refused.
    if (!entry || entry.running) return;
    this.#tokens.drop(audience);
    void this.#refresh(entry);
  }

  [Symbol.dispose](): void {
    for (const entry of [...this.#entries.values()]) this.#forget(entry);
  }

  #refresh(entry: Entry): Promise<void> {
    entry.again = entry.running !== undefined;
    return entry.running ??= this.#fetch(entry).finally(() => {
      entry.running = undefined;
      if (entry.again && entry.wanted) void this.#refresh(entry);
    });
  }

  async #fetch(entry: Entry): Promise<void> {
    clearTimeout(entry.timer);
    if (this.#running >= MOST_AT_ONCE) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#running++;
    try {
      const { value } = await this.#tokens.get(entry.audience);
      if (!entry.wanted) return;
      entry.failures = 0;
      if (this.#values.get(entry.audience)?.reveal() === value.reveal()) return;
      this.#values.set(entry.audience, value);
      this.#onChange();
    } catch (error) {
      if (entry.wanted) this.#failed(entry, error);
    } finally {
      this.#running--;
      this.#queue.shift()?.();
    }
  }

  #failed(entry: Entry, error: unknown): void {
    const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** entry.failures++) * (0.5 + Math.random() / 2);
    log.warn(`no ID token for ${entry.audience}, next try in ${Math.round(waitMs)} ms: ${reasonOf(error)}`);
    entry.timer = setTimeout(() => void this.#refresh(entry), waitMs);
  }

  #forget(entry: Entry): void {
    entry.wanted = false;
    clearTimeout(entry.timer);
    entry.forget();
    this.#entries.delete(entry.audience);
    this.#values.delete(entry.audience);
  }
}
