import assert from "node:assert/strict";
import { setUpLogging } from "../base/log.ts";
import { Secret } from "../base/secret.ts";
import type { IdToken } from "../gcp/mod.ts";
import { GateTokens, type GateTokensOptions } from "./tokens.ts";

const A = "https://a.run.app";
const B = "https://b.run.app";
const HOUR_MS = 3_600_000;

/** Lets everything go on that waits for nothing but promises. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

/** A source, a clock and timers that a test moves by hand. */
class Scene implements Disposable {
  now = 1_000_000_000;
  readonly asked: string[] = [];
  /** What the source does; a token of an hour unless the test says otherwise. */
  answer: (audience: string, signal: AbortSignal | undefined) => Promise<IdToken> = (audience) => this.token(audience);
  readonly timers = new Map<() => void, number>();
  readonly tokens: GateTokens;

  constructor(options: Partial<GateTokensOptions> = {}) {
    this.tokens = new GateTokens({
      source: {
        origin: "test",
        idToken: (audience, { signal } = {}) => {
          this.asked.push(audience);
          return this.answer(audience, signal);
        },
      },
      now: () => this.now,
      random: () => 0,
      after: (ms, run) => {
        const timer = () => run();
        this.timers.set(timer, this.now + ms);
        return () => this.timers.delete(timer);
      },
      ...options,
    });
  }

  token(audience: string, life: { issuedAt?: number; lifeMs?: number; serial?: number } = {}): Promise<IdToken> {
    const { issuedAt = this.now, lifeMs = HOUR_MS, serial = this.asked.length } = life;
    const value = new Secret(`token ${serial} for ${audience}`);
    return Promise.resolve({ value, issuedAt, expiresAt: issuedAt + lifeMs });
  }

  fail = (): Promise<IdToken> => Promise.reject(new Error("source is away"));

  /** Time goes on by `ms`; every timer due on the way runs at its time. */
  async advance(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      await settle();
      const [next] = [...this.timers].filter(([, at]) => at <= end).sort(([, a], [, b]) => a - b);
      if (!next) break;
      this.timers.delete(next[0]);
      this.now = Math.max(this.now, next[1]);
      next[0]();
    }
    this.now = end;
  }

  async value(audience: string): Promise<string> {
    return (await this.tokens.get(audience)).value.reveal();
  }

  [Symbol.dispose](): void {
    this.tokens[Symbol.dispose]();
    assert.equal(this.timers.size, 0, "no timer stays behind");
  }
}

Deno.test("tokens: fetched ahead of need, one flight for all who ask, cached", async () => {
  using scene = new Scene();
  scene.tokens.keep([A]);
  await settle();
  assert.deepEqual(scene.asked, [A], "before anybody needs it");
  const values = await Promise.all([scene.value(A), scene.value(A), scene.value(A)]);
  assert.deepEqual(values, Array(3).fill(`token 1 for ${A}`));
  scene.tokens.keep([A]);
  await scene.advance(HOUR_MS / 2);
  assert.equal(await scene.value(A), `token 1 for ${A}`);
  assert.equal(scene.asked.length, 1);
});

Deno.test("tokens: none for an audience that no service has, or has any more", async () => {
  using scene = new Scene();
  scene.tokens.keep([A]);
  await scene.value(A);
  await assert.rejects(scene.tokens.get(B), { message: /ID token for https:\/\/b.*\n {2}got: no registered service/ });
  scene.tokens.keep([B]);
  await assert.rejects(scene.tokens.get(A), { message: /no registered service/ });
  assert.equal(await scene.value(B), `token 2 for ${B}`);
  assert.deepEqual([...scene.tokens.stats().audiences.keys()], [B]);
  await scene.advance(HOUR_MS);
  assert.deepEqual(new Set(scene.asked.slice(1)), new Set([B]), "the timer of the one that went is gone");
});

Deno.test("tokens: renewed at two thirds of their real life, whoever waits for it is told", async () => {
  for (const lifeMs of [60_000, HOUR_MS, 24 * HOUR_MS]) {
    using scene = new Scene();
    scene.answer = (audience) => scene.token(audience, { lifeMs });
    const told: string[] = [];
    const stop = scene.tokens.onRenewed(A, () => told.push("A"));
    scene.tokens.onRenewed(B, () => told.push("B"));
    scene.tokens.keep([A]);
    await scene.advance(lifeMs * 2 / 3 - 1);
    assert.deepEqual([scene.asked.length, told], [1, ["A"]]);
    await scene.advance(1);
    await settle();
    assert.deepEqual([scene.asked.length, told, await scene.value(A)], [2, ["A", "A"], `token 2 for ${A}`]);
    stop();
    await scene.advance(lifeMs);
    assert.deepEqual([scene.asked.length, told.length], [3, 2]);
  }
});

Deno.test("tokens: a source that gives the same token until its last minutes is asked ever more often, never at once", async () => {
  using scene = new Scene();
  const start = scene.now;
  scene.answer = (audience) => {
    const issuedAt = start + Math.floor((scene.now - start) / 3_300_000) * 3_300_000;
    return scene.token(audience, { issuedAt, serial: issuedAt });
  };
  let renewals = 0;
  scene.tokens.onRenewed(A, () => renewals++);
  scene.tokens.keep([A]);
  for (let at = 0; at < 10 * HOUR_MS; at += 60_000) {
    await scene.advance(60_000);
    assert((await scene.tokens.get(A)).expiresAt > scene.now + 30_000);
  }
  assert.equal(renewals, 11);
  assert(scene.asked.length < 11 * 6, `${scene.asked.length} requests`);
});

Deno.test("tokens: through an outage the cache serves until shortly before the end, then the failure; then by itself again", async () => {
  using scene = new Scene();
  scene.tokens.keep([A]);
  await scene.value(A);
  scene.answer = scene.fail;
  await scene.advance(HOUR_MS - 30_001);
  assert.equal(await scene.value(A), `token 1 for ${A}`);
  const { problem, expiresAt } = scene.tokens.stats().audiences.get(A)!;
  assert.deepEqual([problem, expiresAt! - scene.now], ["source is away", 30_001]);
  await scene.advance(1);
  await assert.rejects(scene.tokens.get(A), { message: "source is away" });
  const tries = scene.asked.length;
  // 20 minutes and a half, by 0.5, 1, 2 … 16, then 30 s.
  assert(tries > 30 && tries < 50, `${tries} tries`);
  for (let i = 0; i < 100; i++) await assert.rejects(scene.tokens.get(A));
  assert(scene.asked.length <= tries + 1, "who needs a token while the source fails is no request");
  let told = 0;
  scene.tokens.onRenewed(A, () => told++);
  scene.answer = (audience) => scene.token(audience);
  await scene.advance(30_000);
  assert.equal(told, 1);
  assert.equal(await scene.value(A), `token ${scene.asked.length} for ${A}`);
  assert.equal(scene.tokens.stats().audiences.get(A)!.problem, undefined);
  assert.deepEqual(scene.tokens.stats().fetches, { ok: 2, failed: scene.asked.length - 2 });
});

Deno.test("tokens: one that is refused is replaced, and not again within seconds", async () => {
  using scene = new Scene();
  scene.tokens.keep([A]);
  await scene.value(A);
  scene.tokens.drop(A);
  assert.equal(await scene.value(A), `token 1 for ${A}`, "just fetched: another would be no better");
  await scene.advance(5_000);
  scene.tokens.drop(A);
  scene.tokens.drop(A);
  assert.equal(await scene.value(A), `token 2 for ${A}`);
  for (let i = 0; i < 100; i++) {
    scene.tokens.drop(A);
    await scene.value(A);
    await scene.advance(100);
  }
  assert.equal(scene.asked.length, 3, "every 5 s at most");
  scene.tokens.drop(B);
});

Deno.test("tokens: one that is refused while the source fails is better than none", async () => {
  using scene = new Scene();
  scene.tokens.keep([A]);
  await scene.advance(5_000);
  scene.answer = scene.fail;
  scene.tokens.drop(A);
  assert.equal(await scene.value(A), `token 1 for ${A}`);
  assert.equal(await scene.value(A), `token 1 for ${A}`);
  assert.equal(scene.asked.length, 2);
});

Deno.test("tokens: one that ends too soon to be used is a failure", async () => {
  using scene = new Scene();
  scene.answer = (audience) => scene.token(audience, { issuedAt: scene.now - HOUR_MS + 20_000 });
  scene.tokens.keep([A]);
  await assert.rejects(scene.tokens.get(A), { message: /from test\n {2}got: one that ends in 20 s/ });
});

Deno.test("tokens: many at once are fetched some at a time, who needs one does not wait for them", async () => {
  using scene = new Scene({ atOnce: 4 });
  const open: (() => void)[] = [];
  scene.answer = (audience) => new Promise((resolve) => open.push(() => resolve(scene.token(audience))));
  const audiences = Array.from({ length: 100 }, (_, i) => `https://${i}.run.app`);
  scene.tokens.keep(audiences);
  await settle();
  assert.deepEqual(scene.asked, audiences.slice(0, 4));
  const urgent = scene.value(audiences[90]!);
  await settle();
  assert.deepEqual(scene.asked.slice(4), [audiences[90]]);
  open[4]!();
  await urgent;
  assert.equal(scene.asked.length, 5, "its place is not for the next");
  while (open.length > 0) {
    open.shift()!();
    await settle();
    assert(open.length <= 5);
  }
  assert.equal(new Set(scene.asked).size, 100);
  assert.equal(scene.asked.length, 100);
});

Deno.test("tokens: the end calls off what is on its way and what waits", async () => {
  const scene = new Scene({ atOnce: 1 });
  let aborted = 0;
  scene.answer = (_, signal) =>
    new Promise((_, reject) =>
      signal!.addEventListener("abort", () => {
        aborted++;
        reject(signal!.reason);
      })
    );
  scene.tokens.keep([A, B]);
  const first = assert.rejects(scene.tokens.get(A), {
    message: /got: no registered service has this audience any more/,
  });
  await settle();
  scene[Symbol.dispose]();
  await first;
  await settle();
  assert.deepEqual([aborted, scene.asked, scene.timers.size], [1, [A], 0]);
  assert.deepEqual(scene.tokens.stats().fetches, { ok: 0, failed: 0 });
});

Deno.test("tokens: an outage for many services is a line a minute, without their tokens", async () => {
  const lines: string[] = [];
  await setUpLogging({ level: "info", format: "text", write: (line) => lines.push(line) });
  using scene = new Scene();
  scene.answer = scene.fail;
  scene.tokens.keep(Array.from({ length: 50 }, (_, i) => `https://${i}.run.app`));
  await scene.advance(59_000);
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /✗ hgate.tokens: no ID token for https:\/\/0.run.app: source is away/);
  await scene.advance(60_000);
  assert.equal(lines.length, 2);
  assert.match(lines[1]!, /furtherFailures=\d{3}/);
  await setUpLogging({ level: "error", format: "text", write: () => {} });
});
