/** Requests of a command on their way to the emulators: counted, cut off, failed, watched. */
import type { Fetch } from "../../lib/base/http.ts";
import { googleErrorBody } from "../emulators/google_api.ts";
import { statusBody } from "../emulators/kubernetes_status.ts";
import type { AdminWorld } from "./admin_world.ts";

export interface SentRequest {
  method: string;
  url: string;
  /** Whether it changes something where it succeeds. */
  isWrite: boolean;
}

/** How one request fails: by a status, or done and its answer lost. */
export type Fault = 409 | 412 | 429 | 503 | "lost";
export const FAULTS: readonly Fault[] = [409, 412, 429, 503, "lost"];

export interface RequestHooks {
  /** Told before the request goes out; a fault is answered in its place. @param number from 1 */
  before?(request: SentRequest, number: number): Fault | undefined | void;
  /** Told when the emulator has answered, before the command hears of it. */
  after?(request: SentRequest, number: number): void;
}

/** The world's fetch with hooks, and a log of what went through it. */
export function hooked(world: AdminWorld, hooks: RequestHooks = {}): { fetch: Fetch; sent: SentRequest[] } {
  const sent: SentRequest[] = [];
  const fetch: Fetch = async (url, init) => {
    const method = init.method ?? "GET";
    const request: SentRequest = { method, url, isWrite: isWrite(world, method, url) };
    sent.push(request);
    const number = sent.length;
    const fault = hooks.before?.(request, number);
    if (typeof fault === "number") return faultAnswer(world, url, fault);
    const response = await world.fetch(url, init);
    hooks.after?.(request, number);
    init.signal?.throwIfAborted();
    if (fault === "lost") throw new TypeError("connection reset: the answer is lost");
    return response;
  };
  return { fetch, sent };
}

function isWrite({ tokenEndpoint }: AdminWorld, method: string, url: string): boolean {
  const { origin, pathname, searchParams } = new URL(url);
  if (method === "GET" || origin === tokenEndpoint.origin || searchParams.get("dryRun") === "All") return false;
  if (searchParams.get("validateOnly") === "true") return false;
  return !/:(?:getIamPolicy|testIamPermissions)$|accessreviews$/.test(pathname);
}

const REASONS = { 409: "Conflict", 412: "PreconditionFailed", 429: "TooManyRequests", 503: "ServiceUnavailable" };

function faultAnswer({ kubernetes }: AdminWorld, url: string, status: Exclude<Fault, "lost">): Response {
  const isKubernetes = new URL(url).origin === kubernetes.origin;
  const body = isKubernetes
    ? statusBody(status, REASONS[status], "planted by the test")
    : googleErrorBody(status, "planted by the test");
  return new Response(body, { status, headers: { "content-type": "application/json" } });
}
