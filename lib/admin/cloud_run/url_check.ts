import { Problem, reasonOf } from "../../base/errors.ts";
import type { Fetch } from "../../base/http.ts";
import { linked } from "../../base/linked.ts";
import { pause } from "../../base/pause.ts";
import type { IdTokenSource, RunResource, RunServiceStore } from "../../gcp/mod.ts";
import { OPENED_BY_POST } from "../../tunnel/mod.ts";
import { type Check, notLookedAt } from "../step.ts";

/** Where requests of the mesh come in at krun: Envoy's own listener, by the tunnel's name for it. */
const MESH_TUNNEL = "/_hbone/15003";
const TRY_MS = 30_000;
const EVERY_MS = 1_000;

export interface UrlCheckOptions {
  tag: string;
  /** The caller's, where the service lets in who may call it. */
  tokens: () => Promise<IdTokenSource>;
  fetch?: Fetch | undefined;
  timeoutMs: number;
  /** Between two tries. @default {1000} */
  everyMs?: number | undefined;
}

/**
 * The revision behind a tag answers: krun opens a tunnel to Envoy's inbound listener, so the mesh is there; and the app answers a plain
 * request. Nobody else is led there yet.
 */
export function answersByTag(store: RunServiceStore, options: UrlCheckOptions): Check {
  const { tag, everyMs = EVERY_MS } = options;
  return {
    subject: `${store.of}: requests to its URL with tag ${tag}`,
    async check(signal, progress) {
      const service = await store.read(signal);
      const url = service?.trafficStatuses?.find((status) => status.tag === tag)?.uri;
      const unseen = whyUnseen(service, url);
      if (unseen) return notLookedAt(unseen);
      const until = performance.now() + options.timeoutMs;
      for (;;) {
        const found = await look(service!, url!, store, options, signal);
        if (typeof found === "string") return found;
        if (!found.mayPass || performance.now() + everyMs >= until) throw found.problem;
        progress(`${new URL(url!).host}: ${found.problem.got}`);
        await pause(everyMs, signal);
      }
    },
  };
}

/** https://cloud.google.com/run/docs/securing/ingress: from outside such a service is as if it were not there. */
function whyUnseen(service: RunResource | undefined, url: string | undefined): string | undefined {
  if (!url) return "it has no URL: its default URL is switched off";
  if (service?.ingress && service.ingress !== "INGRESS_TRAFFIC_ALL") {
    return `it takes requests from inside alone (${service.ingress})`;
  }
}

interface Missed {
  problem: Problem;
  /** It takes a while until a new tag is known everywhere. */
  mayPass: boolean;
}

async function look(
  service: RunResource,
  url: string,
  { place: { project, region, service: name } }: RunServiceStore,
  { tokens, fetch }: UrlCheckOptions,
  signal: AbortSignal,
): Promise<string | Missed> {
  // Of the service, also for the URL of a tag: https://cloud.google.com/run/docs/authenticating/service-to-service
  const audience = service.customAudiences?.[0] ?? service.uri ?? url;
  const headers: Record<string, string> = {};
  if (!service.invokerIamDisabled) {
    const { value } = await (await tokens()).idToken(audience, { signal });
    headers["authorization"] = `Bearer ${value.reveal()}`;
  }
  const ask = (method: string, path: string) => answerOf(new URL(path, url).href, { method, headers, fetch, signal });
  const krun = await ask("GET", MESH_TUNNEL);
  const missed = (path: string, { status, text }: Answer, mayPass: boolean, fix?: string): Missed => ({
    problem: new Problem({ tried: `ask ${url}${path}`, got: `${status || ""} ${text}`.trim(), fix }),
    mayPass,
  });
  if (krun.status === 401 || krun.status === 403) {
    const fix = `gcloud run services add-iam-policy-binding ${name} --project ${project} --region ${region} ` +
      "--member user:YOU --role roles/run.invoker; or --no-verify";
    return missed(MESH_TUNNEL, krun, false, fix);
  }
  const logs = `gcloud run services logs read ${name} --project ${project} --region ${region}`;
  if (krun.status !== 405 || !krun.text.includes(OPENED_BY_POST)) {
    return missed(
      MESH_TUNNEL,
      { ...krun, text: `${krun.text}: not krun's answer` },
      true,
      `check the image of krun; ${logs}`,
    );
  }
  const tunnel = await ask("POST", MESH_TUNNEL);
  if (tunnel.status !== 200) return missed(MESH_TUNNEL, tunnel, true, `what krun says: ${logs}`);
  const plain = await ask("GET", "/");
  if (plain.status >= 500 || plain.status === 0) return missed("/", plain, true, "look at what the app says");
  return `the mesh is there, the app answers ${plain.status}`;
}

interface Answer {
  /** 0 for none. */
  status: number;
  text: string;
}

async function answerOf(
  url: string,
  { method, headers, fetch: send = fetch as Fetch, signal }: {
    method: string;
    headers: Record<string, string>;
    fetch: Fetch | undefined;
    signal: AbortSignal;
  },
): Promise<Answer> {
  using limit = linked(signal);
  const timer = setTimeout(() => limit.abort(new Error(`no answer within ${TRY_MS} ms`)), TRY_MS);
  try {
    const answer = await send(url, { method, headers, redirect: "manual", signal: limit.signal });
    const text = await beginningOf(answer);
    return { status: answer.status, text };
  } catch (error) {
    signal.throwIfAborted();
    return { status: 0, text: reasonOf(limit.signal.aborted ? limit.signal.reason : error) };
  } finally {
    clearTimeout(timer);
  }
}

const LONGEST = 200;

/** The first words of an answer, without markup; the rest is left. */
async function beginningOf({ body }: Response): Promise<string> {
  let text = "";
  for await (const part of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part;
    if (text.length > LONGEST * 10) break;
  }
  return text.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim().slice(0, LONGEST);
}
