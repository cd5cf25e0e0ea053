import { type Fetch, request } from "../base/http.ts";
import { parseAs } from "../base/json.ts";
import type { GoogleCredentials } from "./credentials.ts";
import { headersFor, refusalFix } from "./refusal.ts";
import type * as v from "valibot";

/** One of Google's REST APIs and who asks it. */
export interface GoogleRest {
  credentials: GoogleCredentials;
  /** @default Google's own */
  endpoint?: string | undefined;
  fetch?: Fetch | undefined;
}

export interface GoogleCall {
  /** The start of every error message: `create service account k8s-shop in project p1`. */
  what: string;
  /** `run.googleapis.com` */
  api: string;
  /** The project that is charged for the call and in which the API has to be enabled. */
  project: string;
  /** `v1/projects/p1/serviceAccounts`, its parts encoded. */
  path: string;
  /** @default {"GET"} */
  method?: "GET" | "POST" | "PATCH" | "DELETE";
  json?: unknown;
  /** What the caller needs, for a 403: `iam.serviceAccounts.create`. */
  permission: string;
  /** Of each try. @default {15000} */
  timeoutMs?: number;
  /**
   * Tries in all. A request that changes something is not repeated after silence by who cannot take it twice: then 1.
   * @default {4}
   */
  tries?: number;
  /** What to do about a status, before the general advice. */
  fix?: (status: number, answer: string) => string | undefined;
  signal?: AbortSignal | undefined;
}

/** Path segments of a resource name, each encoded. */
export function pathOf(...segments: readonly string[]): string {
  return segments.map(encodeURIComponent).join("/");
}

/**
 * One call; the answer's form is checked.
 * @throws {HttpError} an answer that is not 2xx  {UnreachableError} none  {Problem} one of another form
 */
export async function googleCall<S extends v.GenericSchema>(
  schema: S,
  call: GoogleCall,
  { credentials, endpoint, fetch }: GoogleRest,
): Promise<v.InferOutput<S>> {
  const { what, api, project, path, method = "GET", json, signal, tries, timeoutMs = 15_000 } = call;
  const url = new URL(path, endpoint || `https://${api}/`).href;
  const { text } = await request(url, {
    what,
    method,
    json,
    signal,
    tries,
    timeoutMs,
    fetch,
    headers: await headersFor(credentials, project),
    fixUnreachable: `check this machine's way to ${new URL(url).host} (DNS, firewall, HTTPS_PROXY)`,
    fix: (status, answer) => call.fix?.(status, answer) ?? refusalFix(status, answer, { ...call, credentials }),
  });
  return parseAs(schema, text, `${what} (${method} ${url.split("?")[0]})`);
}
