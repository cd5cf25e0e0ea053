import assert from "node:assert/strict";
import type { RunningProxy } from "./engine.ts";
import { keepRunning } from "./keep_running.ts";

/** A proxy that ends when it is told to. */
class FakeProxy implements RunningProxy {
  readonly name = "fake";
  readonly inboundPort = 15_003;
  readonly health = { up: true, restarts: 0 };
  readonly ended: Promise<string>;
  readonly end: (reason: string) => void;
  disposed = 0;
  constructor(readonly pids: number[]) {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ended = promise;
    this.end = resolve;
  }
  asked = 0;
  appEnvironment(): Promise<Record<string, string>> {
    this.asked++;
    return Promise.resolve({});
  }
  drain(): Promise<void> {
    return Promise.resolve();
  }
  [Symbol.asyncDispose](): Promise<void> {
    this.disposed++;
    return Promise.resolve();
  }
}

const turns = async (count = 20) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
};

Deno.test("a proxy that ends is started again after longer and longer waits, and its remains are ended first", async () => {
  const started: FakeProxy[] = [];
  const waits: number[] = [];
  let broken = 0;
  const proxy = await keepRunning(() => {
    if (broken-- > 0) return Promise.reject(new Error("no istiod"));
    started.push(new FakeProxy([started.length + 100]));
    return Promise.resolve(started.at(-1)!);
  }, { signal: new AbortController().signal, waitMs: (failures) => (waits.push(failures), 0) });
  assert.deepEqual(proxy.pids, [100]);
  broken = 2;
  assert.deepEqual(proxy.health, { up: true, restarts: 0 });
  started[0]!.end("killed");
  await turns();
  assert.deepEqual(proxy.health, { up: true, restarts: 1 });
  assert.equal(started[0]!.disposed, 1);
  assert.deepEqual(proxy.pids, [101]);
  assert.deepEqual(waits, [1, 2, 3]);
  await proxy[Symbol.asyncDispose]();
  assert.equal(started[1]!.disposed, 1);
  assert.equal(started.length, 2);
});

Deno.test("a proxy that lived long starts anew with the shortest wait", async () => {
  const started: FakeProxy[] = [];
  const waits: number[] = [];
  let now = 0;
  const proxy = await keepRunning(() => {
    started.push(new FakeProxy([1]));
    return Promise.resolve(started.at(-1)!);
  }, { signal: new AbortController().signal, waitMs: (failures) => (waits.push(failures), 0), now: () => now });
  for (const lifeMs of [10, 10, 61_000, 10]) {
    now += lifeMs;
    started.at(-1)!.end("x");
    await turns();
  }
  assert.deepEqual(waits, [1, 2, 1, 2]);
  await proxy[Symbol.asyncDispose]();
});

Deno.test("the first start's error is the caller's; an end during a wait is at once", async () => {
  const options = { signal: new AbortController().signal };
  await assert.rejects(keepRunning(() => Promise.reject(new Error("first")), options), { message: "first" });
  const fake = new FakeProxy([1]);
  const proxy = await keepRunning(() => Promise.resolve(fake), { ...options, waitMs: () => 60_000 });
  fake.end("killed");
  await turns();
  await proxy[Symbol.asyncDispose]();
});

Deno.test("a proxy that is asked to is started again at once, and asking twice while it starts is asking once more", async () => {
  const started: FakeProxy[] = [];
  const waits: number[] = [];
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const proxy = await keepRunning(async () => {
    if (started.length === 1) await gate;
    started.push(new FakeProxy([started.length + 100]));
    return started.at(-1)!;
  }, { signal: new AbortController().signal, waitMs: (failures) => (waits.push(failures), 0) });
  proxy.restart!("first");
  await turns();
  assert.deepEqual(proxy.health, { up: false, restarts: 0 });
  assert.equal(started[0]!.disposed, 1, "ended before its successor starts");
  proxy.restart!("second");
  proxy.restart!("third");
  open();
  await turns();
  assert.deepEqual(proxy.health, { up: true, restarts: 2 });
  assert.deepEqual([started.map(({ disposed }) => disposed), proxy.pids, waits], [[1, 1, 0], [102], []]);
  await proxy[Symbol.asyncDispose]();
});

Deno.test("a proxy that comes back finds the mesh for the app where the one before did, and is not bothered otherwise", async () => {
  for (const isUsed of [true, false]) {
    const started: FakeProxy[] = [];
    const proxy = await keepRunning(() => {
      started.push(new FakeProxy([1]));
      return Promise.resolve(started.at(-1)!);
    }, { signal: new AbortController().signal, waitMs: () => 0 });
    if (isUsed) await proxy.appEnvironment();
    started[0]!.end("killed");
    await turns();
    assert.deepEqual(started.map(({ asked }) => asked), isUsed ? [1, 1] : [0, 0]);
    await proxy[Symbol.asyncDispose]();
  }
});
