/**
 * What holds for every administrator's command that changes something, as tests made from a list of scenarios: it is repeatable, may be cut
 * off after any request and completed, says which right is missing, gets on with others who edit at the same time and with faults in any
 * place, and what undoes it brings back exactly what was there before. Every day that is proved at each write and at some of the reads,
 * since a read leaves no other state than the write before it, with two of the faults at each write, and rights are taken from what makes
 * alone; `ADMIN_PROOFS=all` proves it at each read too, with every fault, and with each right taken from what undoes.
 */
import assert from "node:assert/strict";
import type { AdminCommand } from "../../cmd/admin_command.ts";
import { Problem } from "../../lib/base/errors.ts";
import { hasFailed, type Outcome } from "../../lib/admin/mod.ts";
import { PROVES_ALL } from "./admin_proofs.ts";
import { type Fault, FAULTS, hooked, type RequestHooks, type SentRequest } from "./admin_requests.ts";
import { editObject, editPolicy, editService, viewOf } from "./admin_view.ts";
import { ADMIN, type AdminWorld, runCommand, startAdminWorld } from "./admin_world.ts";

/** A command and the world it is run in. */
export interface AdminScenario {
  /** The start of the tests' names: `setup-namespace, a new namespace`. */
  name: string;
  command: AdminCommand;
  args: readonly string[];
  /** What brings back what was there before. */
  undo?: { command: AdminCommand; args: readonly string[] };
  /** Changes the world before the command is run. */
  prepare?(world: AdminWorld): void | Promise<void>;
  /** Permissions without which it completes all the same, as `serviceusage.services.get` or `list services in shop`. */
  mayLack?: RegExp;
  /** Requests that are not sent twice, so that 429, 503 or a lost answer ends the run. @default every one is sent again */
  sentOnce?(request: SentRequest): boolean;
  /** Which proofs are worth their time in this world. @default all */
  proofs?: readonly Proof[];
  /** Which are left for `ADMIN_PROOFS=all`. @default none */
  atLength?: readonly Proof[];
}

/** Each is a test, in both directions; `undo` is one for both. */
export type Proof = "repeated" | "cut off" | "rights" | "editors" | "faults" | "undo";

/** What is proved of one direction. */
interface Act {
  name: string;
  command: AdminCommand;
  args: readonly string[];
  prepare(world: AdminWorld): Promise<void>;
  /** Undoes it, from wherever it was cut off: for the undoing command that is itself. */
  undo: { command: AdminCommand; args: readonly string[] } | undefined;
  mayLack: RegExp | undefined;
  sentOnce(request: SentRequest): boolean;
}

/** Worlds at a time: most of a run with faults is waiting. */
const AT_ONCE = 32;
/** Of the reads every so many are taken. */
const OF_READS = 4;

/** Registers the tests of a scenario, both ways where it can be undone. */
export function proveAdminCommand(scenario: AdminScenario): void {
  const { name, command, args, undo, mayLack, proofs, atLength = [], sentOnce = () => false } = scenario;
  const test = (proof: Proof, name: string, prove: () => Promise<void>, isAtLength = atLength.includes(proof)) => {
    if (proofs?.includes(proof) ?? true) Deno.test({ name, ignore: isAtLength && !PROVES_ALL, fn: prove });
  };
  const prepare = async (world: AdminWorld) => await scenario.prepare?.(world);
  const there: Act = { name, command, args, prepare, undo, mayLack, sentOnce };
  const acts = [there];
  if (undo) {
    const isDone = async (world: AdminWorld) => {
      await prepare(world);
      await complete(world, there);
    };
    acts.push({ ...there, name: `${name}, undone`, ...undo, prepare: isDone });
  }
  for (const act of acts) {
    const { name } = act;
    test("repeated", `${name}: again, nothing is changed; a dry run changes nothing`, () => proveRepeatable(act));
    test("cut off", `${name}: cut off after each request, the same again completes it`, () => proveInterruptions(act));
    const rights = `${name}: each right missing in turn is named, and given it completes`;
    // What undoes asks the same APIs by the same calls.
    test("rights", rights, () => provePermissions(act), act !== there);
    test("editors", `${name}: others edit at each write, and nobody's work is lost`, () => proveConcurrency(act));
    test("faults", `${name}: 409, 412, 429, 503 and lost answers in every place`, () => proveFaults(act));
  }
  if (undo) test("undo", `${name}: undone, all is as it was`, () => proveUndo(there));
}

interface Ran {
  /** Without one, it failed while it planned. */
  outcome?: Outcome;
  /** Why it did not complete; `undefined` where it did. */
  failure?: string;
  sent: SentRequest[];
}

/** One run; a failure is what it says. Anything thrown that is no Problem and no interruption fails the test. */
async function run(
  world: AdminWorld,
  { command, args }: Pick<Act, "command" | "args">,
  { isDryRun = false, signal, ...hooks }: RequestHooks & { isDryRun?: boolean; signal?: AbortSignal } = {},
): Promise<Ran> {
  const { fetch, sent } = hooked(world, hooks);
  try {
    const outcome = await runCommand(world, command, args, { fetch, isDryRun, ...(signal ? { signal } : {}) });
    const failed = outcome.steps.find(({ state }) => state === "failed");
    return { outcome, sent, ...(failed ? { failure: `${failed.subject}: ${failed.detail}` } : {}) };
  } catch (error) {
    if (error instanceof Problem) return { failure: error.message, sent };
    if (signal?.aborted) return { failure: "interrupted", sent };
    throw error;
  }
}

/** Runs it, and it must succeed. */
async function complete(world: AdminWorld, act: Pick<Act, "command" | "args">, where = ""): Promise<Ran> {
  const ran = await run(world, act);
  assert.equal(ran.failure, undefined, `${act.command.name} does not complete${where}`);
  assert(ran.outcome && !hasFailed(ran.outcome));
  return ran;
}

async function withWorld<T>(act: Act, use: (world: AdminWorld) => Promise<T>): Promise<T> {
  await using world = await startAdminWorld();
  await act.prepare(world);
  return await use(world);
}

/** An uninterrupted run: what there was and is, and what was sent. */
async function wholeRun(act: Act) {
  return await withWorld(act, async (world) => {
    const before = viewOf(world);
    const since = Object.values(world.servers).map(({ faults }) => [faults, faults.requests.length] as const);
    const { sent } = await complete(world, act);
    const permissions = new Set(
      since.flatMap(([faults, from]) => faults.requests.slice(from).flatMap(({ permissions = [] }) => permissions)),
    );
    return { before, after: viewOf(world), sent, permissions: [...permissions].sort() };
  });
}

async function proveRepeatable(act: Act): Promise<void> {
  await withWorld(act, async (world) => {
    const before = viewOf(world);
    const dry = await run(world, act, { isDryRun: true });
    assert.equal(dry.failure, undefined);
    assert.deepEqual(dry.sent.filter(({ isWrite }) => isWrite), []);
    assert.deepEqual(viewOf(world), before);
    await complete(world, act);
    const after = viewOf(world);
    const again = await complete(world, act);
    const changed = again.outcome!.steps.filter(({ action }) => action !== "none" && action !== "check");
    assert.deepEqual(changed, []);
    assert.deepEqual(again.sent.filter(({ isWrite }) => isWrite), []);
    assert.deepEqual(viewOf(world), after);
  });
}

async function proveInterruptions(act: Act): Promise<void> {
  const { before, after, sent } = await wholeRun(act);
  const seen = new Set([JSON.stringify(before)]); // from there the same again is a whole run
  const cutAt = async (number: number, then: (world: AdminWorld, where: string) => Promise<void>) => {
    await withWorld(act, async (world) => {
      const ending = new AbortController();
      const { failure } = await run(world, act, {
        signal: ending.signal,
        after: (_, at) => at === number && ending.abort(new Error(`cut off after request ${number}`)),
      });
      const { method, url } = sent[number - 1]!;
      const where = `, cut off after request ${number} of ${sent.length}: ${method} ${url}`;
      assert(failure !== undefined || number >= sent.length, `it goes on${where}`);
      await then(world, where);
    });
  };
  await atOnce(numbersOf(sent), async (number) => {
    let isNew = false;
    await cutAt(number, async (world, where) => {
      const state = JSON.stringify(viewOf(world));
      isNew = !seen.has(state);
      seen.add(state);
      if (!isNew) return;
      await complete(world, act, where);
      assert.deepEqual(viewOf(world), after, `another end${where}`);
    });
    const { undo } = act;
    if (!isNew || !undo || undo.command === act.command) return;
    await cutAt(number, async (world, where) => {
      await complete(world, undo, where);
      assert.deepEqual(viewOf(world), before, `not undone${where}`);
    });
  });
  if (JSON.stringify(before) !== JSON.stringify(after)) assert(seen.size > 2, "no cut has left anything half done");
}

async function provePermissions(act: Act): Promise<void> {
  const { before, after, permissions } = await wholeRun(act);
  assert(permissions.length > 1, "no permission was looked at");
  const completed = new Set([JSON.stringify(before)]); // from there, with all rights, it is a whole run
  await atOnce(permissions, async (permission) => {
    await withWorld(act, async (world) => {
      const giveBack = deny(world, permission);
      const { failure } = await run(world, act);
      giveBack();
      if (failure === undefined) {
        assert(act.mayLack?.test(permission), `it completes without ${permission}`);
        return assert.deepEqual(viewOf(world), after, `without ${permission}`);
      }
      assert(!act.mayLack?.test(permission), `it should do without ${permission}: ${failure}`);
      for (const word of wordsOf(permission)) {
        assert(failure.includes(word), `${permission} is not named in: ${failure}`);
      }
      const state = JSON.stringify(viewOf(world));
      if (completed.has(state)) return;
      completed.add(state);
      await complete(world, act, `, given ${permission}`);
      assert.deepEqual(viewOf(world), after, `first without ${permission}, then with it`);
    });
  });
}

/** `VERB RESOURCE in NAMESPACE` of Kubernetes, or one of Google's. */
function deny(world: AdminWorld, permission: string): () => void {
  const [, verb, resource, namespace] = /^(\S+) (\S+)(?: in (\S+))?$/.exec(permission) ?? [];
  if (verb) {
    const { denied } = world.kubernetes.state;
    denied.push({ subject: ADMIN, verb, resource: resource!, ...(namespace ? { namespace } : {}) });
    return () => void denied.pop();
  }
  const sets = Object.values(world.servers).flatMap((server) =>
    "deniedPermissions" in server ? [server.deniedPermissions as Set<string>] : []
  );
  for (const set of sets) set.add(permission);
  return () => sets.forEach((set) => set.delete(permission));
}

function wordsOf(permission: string): string[] {
  return permission.includes(" ") ? permission.split(" ").slice(0, 2).flatMap((word) => word.split("/")) : [permission];
}

async function proveConcurrency(act: Act): Promise<void> {
  const { after, sent } = await wholeRun(act);
  const writes = sent.flatMap(({ isWrite, method, url }, at) =>
    isWrite && method !== "DELETE" ? [{ number: at + 1, url }] : []
  );
  let edits = 0;
  await atOnce(writes, async ({ number, url }) => {
    await withWorld(act, async (world) => {
      let takeBack: (() => boolean) | undefined;
      const { failure } = await run(world, act, {
        before: ({ url }, at) => {
          if (at === number) takeBack = editPolicy(world, url) ?? editService(world, url) ?? editObject(world, url);
        },
      });
      if (!takeBack) return;
      edits++;
      const where = `with another's edit before request ${number} (${url})`;
      assert.equal(failure, undefined, `it does not complete ${where}`);
      assert(takeBack(), `another's work is lost, ${where}`);
      assert.deepEqual(viewOf(world), after, where);
    });
  });
  if (writes.some(({ url }) => url.includes(":setIamPolicy"))) assert(edits > 0, "nobody edited");
}

async function proveFaults(act: Act): Promise<void> {
  const { before, after, sent } = await wholeRun(act);
  const completed = new Set([JSON.stringify(before)]);
  const cases = numbersOf(sent).flatMap((number, at) => {
    const request = sent[number - 1]!;
    return faultsFor(request, at).map((fault) => ({ number, fault, ...request }));
  });
  let failures = 0;
  await atOnce(cases, async ({ number, fault, ...request }) => {
    await withWorld(act, async (world) => {
      const { failure } = await run(world, act, { before: (_, at) => at === number ? fault : undefined });
      const where = `, ${fault} for request ${number} (${request.method} ${request.url})`;
      if (failure !== undefined) {
        failures++;
        const isFinal = fault === 409 || fault === 412 || act.sentOnce(request);
        assert(isFinal, `it is not tried again${where}: ${failure}`);
        const state = JSON.stringify(viewOf(world));
        if (completed.has(state)) return;
        completed.add(state);
        await complete(world, act, `${where}, after: ${failure}`);
      }
      assert.deepEqual(viewOf(world), after, where);
    });
  });
  assert(failures > 0, "no fault was felt");
}

/** Places in a run, counted from 1: each write, and some of the reads. */
function numbersOf(sent: readonly SentRequest[]): number[] {
  let reads = 0;
  return sent.flatMap(({ isWrite }, at) => isWrite || PROVES_ALL || reads++ % OF_READS === 0 ? [at + 1] : []);
}

/** At a write a lost answer, which is done all the same, and one of the others by turns; at a read one of all by turns. */
function faultsFor({ isWrite }: SentRequest, at: number): readonly Fault[] {
  if (PROVES_ALL) return FAULTS;
  const refusals = FAULTS.filter((fault) => fault !== "lost");
  return isWrite ? ["lost", refusals[at % refusals.length]!] : [FAULTS[at % FAULTS.length]!];
}

async function proveUndo(act: Act): Promise<void> {
  await withWorld(act, async (world) => {
    const before = viewOf(world);
    await complete(world, act);
    const after = viewOf(world);
    assert.notDeepEqual(after, before);
    await complete(world, act.undo!);
    assert.deepEqual(viewOf(world), before);
    await complete(world, act);
    assert.deepEqual(viewOf(world), after);
  });
}

async function atOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
