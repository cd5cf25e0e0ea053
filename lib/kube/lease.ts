import { HttpError } from "../base/http.ts";
import { linked } from "../base/linked.ts";
import { parseAs } from "../base/json.ts";
import { pause } from "../base/pause.ts";
import type { KubeClient } from "./client.ts";
import { pathOf, RESOURCES } from "./objects.ts";
import * as v from "valibot";

/** https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/ */
const LeaseObject = v.object({
  metadata: v.looseObject({ resourceVersion: v.string() }),
  spec: v.optional(
    v.object({
      holderIdentity: v.optional(v.nullable(v.string())),
      leaseDurationSeconds: v.optional(v.nullable(v.number())),
      acquireTime: v.optional(v.nullable(v.string())),
      renewTime: v.optional(v.nullable(v.string())),
      leaseTransitions: v.optional(v.nullable(v.number())),
    }),
    {},
  ),
});
type LeaseObject = v.InferOutput<typeof LeaseObject>;

export interface LeaseOptions {
  namespace: string;
  name: string;
  /** Who this is; unique among all that want the lease, e.g. the pod's name. */
  identity: string;
  /** For how long others leave a holder alone that they hear nothing of. @default {15000} */
  durationMs?: number;
  /** A holder that could not renew for this long gives up; well below the duration. @default {10000} */
  renewWithinMs?: number;
  /** Between two looks, and two renewals. @default {2000} */
  everyMs?: number;
  onTrouble?: (error: Error) => void;
  /** Told on every change. */
  onHolder?: (holder: string) => void;
  now?: () => number;
  /** Milliseconds that no clock adjustment moves. */
  monotonicNow?: () => number;
}

/** A wish to lead, which may be fulfilled and taken back many times; disposing ends the work, then lets go of the lease. */
export interface Lease extends AsyncDisposable {
  /** Whether this holds the lease now, by the clock and not by a timer: a process that slept knows it when it wakes. */
  isHeld(): boolean;
  holder(): string | undefined;
}

/**
 * Runs `work` while this holds the lease; its signal ends when the lease is lost, and the lease is wanted again when `work` has ended.
 *
 * Two never hold it at once, whatever their clocks say: no timestamp of another is compared with an own one. A candidate takes the
 * lease when it has *watched* the same record for its whole duration by its own clock; a holder stops earlier than that, counted from
 * before it *sent* its last successful renewal. Records change by resourceVersion, so that of two who try only one succeeds.
 * (The way of client-go's leaderelection, and its times. As there, who deletes the Lease lets two lead until the next renewal.)
 */
export function keepLease(
  kube: KubeClient,
  options: LeaseOptions,
  work: (signal: AbortSignal) => Promise<void>,
): Lease {
  const { durationMs = 15_000, renewWithinMs = 10_000, everyMs = 2_000, identity } = options;
  const { now = Date.now, monotonicNow = () => performance.now(), onTrouble = () => {} } = options;
  const path = pathOf(RESOURCES.Lease, options.namespace);
  const what = `lease ${options.namespace}/${options.name} on ${kube.access.origin}`;
  const ending = new AbortController();
  let seen: { version: string; at: number } | undefined; // the record, and since when it is the same
  let holder: string | undefined;
  let heldUntil = -Infinity;
  let lastRecord: LeaseObject | undefined;

  const ask = async (method: string, target: string, json: unknown, limitMs: number) => {
    const call = { what: `${WORDS[method]} ${what}`, method, tries: 1, timeoutMs: limitMs, ...(json ? { json } : {}) };
    const { text } = await kube.request(target, call);
    return parseAs(LeaseObject, text, `${WORDS[method]} ${what}`);
  };
  const note = (record: LeaseObject) => {
    lastRecord = record;
    if (record.metadata.resourceVersion !== seen?.version) {
      seen = { version: record.metadata.resourceVersion, at: monotonicNow() };
    }
    const named = record.spec.holderIdentity || undefined;
    if (named !== holder) options.onHolder?.(named ?? "");
    holder = named;
  };
  const body = (record: LeaseObject | undefined, holderIdentity: string) => {
    const time = new Date(now()).toISOString().replace("Z", "000Z"); // MicroTime has six digits
    const was = record?.spec;
    const isNew = was?.holderIdentity !== holderIdentity;
    return {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: record?.metadata ?? { name: options.name, namespace: options.namespace },
      spec: {
        holderIdentity,
        leaseDurationSeconds: holderIdentity ? Math.ceil(durationMs / 1_000) : 1,
        acquireTime: isNew ? time : was?.acquireTime ?? time,
        renewTime: time,
        leaseTransitions: (was?.leaseTransitions ?? 0) + (isNew && holderIdentity && was ? 1 : 0),
      },
    };
  };
  /** Takes or renews. @returns whether this holds it */
  const tryOnce = async (): Promise<boolean> => {
    const limitMs = Math.min(5_000, renewWithinMs);
    const sentAt = monotonicNow();
    let record: LeaseObject | undefined;
    try {
      record = await ask("GET", `${path}/${options.name}`, undefined, limitMs);
    } catch (error) {
      if (!(error instanceof HttpError && error.status === 404)) throw error;
    }
    if (record) note(record);
    const { holderIdentity, leaseDurationSeconds } = record?.spec ?? {};
    const theirsMs = Math.max(durationMs, (leaseDurationSeconds ?? 0) * 1_000);
    const isOthers = holderIdentity && holderIdentity !== identity;
    if (isOthers && monotonicNow() - seen!.at < theirsMs) return false;
    // A record of an earlier life of this name is not held before it is renewed.
    const target = record ? `${path}/${options.name}` : path;
    note(await ask(record ? "PUT" : "POST", target, body(record, identity), limitMs));
    heldUntil = sentAt + renewWithinMs;
    return true;
  };
  const attempt = async (): Promise<boolean> => {
    try {
      return await tryOnce();
    } catch (error) {
      const isLostRace = error instanceof HttpError && error.status === 409;
      if (!isLostRace) onTrouble(error as Error);
      return false;
    }
  };
  const isHeld = () => monotonicNow() < heldUntil;

  const lead = async () => {
    using losing = linked(ending.signal);
    const over = losing.signal;
    const working = work(over).catch((error) => {
      if (!over.aborted) onTrouble(error);
    }).finally(() => losing.abort(new Error("the work ended")));
    let trying: Promise<boolean> | undefined;
    while (!over.aborted) {
      await pause(everyMs, over).catch(() => {});
      if (over.aborted) break;
      // The try may outlast what is left: the end of the work does not wait for it.
      using settled = linked(over);
      trying = attempt().finally(() => settled.abort());
      await pause(Math.max(0, heldUntil - monotonicNow()), settled.signal).catch(() => {});
      if (!isHeld() || holder !== identity) losing.abort(new Error(`lost ${what}`));
    }
    await trying;
    await working;
    if (isHeld()) await release();
    heldUntil = -Infinity;
  };
  const release = async () => {
    try {
      note(await ask("PUT", `${path}/${options.name}`, body(lastRecord, ""), 2_000));
    } catch (error) {
      onTrouble(error as Error); // it runs out by itself
    }
  };
  const run = async () => {
    while (!ending.signal.aborted) {
      if (await attempt() && !ending.signal.aborted) await lead();
      else await pause(everyMs, ending.signal).catch(() => {});
    }
    if (isHeld()) await release();
  };
  const running = run();
  return {
    isHeld,
    holder: () => holder,
    async [Symbol.asyncDispose]() {
      ending.abort(new Error("the lease is no longer wanted"));
      await running;
    },
  };
}

const WORDS: Record<string, string> = { GET: "read", POST: "make", PUT: "renew" };
