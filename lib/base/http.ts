import { Problem, reasonOf } from "./errors.ts";
import { linked } from "./linked.ts";
import { pause } from "./pause.ts";
import { redact } from "./secret.ts";
import { retry } from "./retry.ts";

/** The one way to the network for requests: the platform's `fetch` or a test's. */
export type Fetch = (url: string, init: RequestInit & { client?: Deno.HttpClient }) => Promise<Response>;

export interface RequestOptions {
  /** What the request is for, in words: the start of every error message, e.g. `list GKE clusters of project p1`. */
  what: string;
  /** @default {"GET"} */
  method?: string | undefined;
  headers?: Readonly<Record<string, string>> | undefined;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as a form. */
  form?: Readonly<Record<string, string>> | undefined;
  /** Limit of each single try. @default {5000} */
  timeoutMs?: number | undefined;
  /** Tries in all where a retry can help: 429, 5xx, connect failures, timeouts. @default {4} */
  tries?: number | undefined;
  /** Whether a connection that failed or timed out is tried again. @default {true} */
  retryUnreachable?: boolean | undefined;
  /** Ends everything, e.g. the budget of a cluster. */
  signal?: AbortSignal | undefined;
  client?: Deno.HttpClient | undefined;
  fetch?: Fetch | undefined;
  /** What the reader should do about an answer, by status. */
  fix?: ((status: number, answer: string) => string | undefined) | undefined;
  /** What the reader should do when nothing answered. */
  fixUnreachable?: string | undefined;
  /** Told about each failed try that is repeated. */
  onRetry?: ((error: Error, waitMs: number) => void) | undefined;
}

/** The other side answered, but not with success. */
export class HttpError extends Problem {
  override name = "HttpError";
  constructor(
    details: { tried: string; got: string; fix?: string | undefined },
    readonly status: number,
    readonly body: string,
    /** `Retry-After` of the answer. */
    readonly retryAfterMs: number | undefined,
  ) {
    super(details);
  }
}

/** Nothing answered: no connection, or not in time. */
export class UnreachableError extends Problem {
  override name = "UnreachableError";
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

const LONGEST_RETRY_AFTER_MS = 10_000;
const LARGEST_ANSWER_BYTES = 32 << 20;

/**
 * One request, repeated where that can help; never after 4xx but 429.
 * @throws {HttpError} a final answer that is not 2xx
 * @throws {UnreachableError} no answer
 */
export async function request(url: string, options: RequestOptions): Promise<Answer> {
  const worthIt = (error: unknown) =>
    canHelp(error) && !(options.retryUnreachable === false && error instanceof UnreachableError);
  let asked: number | undefined; // the wait that the last answer asked for
  return await retry(async () => {
    if (asked) await pause(Math.min(asked, LONGEST_RETRY_AFTER_MS), options.signal);
    asked = undefined;
    try {
      return await tryOnce(url, options);
    } catch (error) {
      if (error instanceof HttpError) asked = error.retryAfterMs;
      throw error;
    }
  }, { tries: options.tries, signal: options.signal, worthIt, onRetry: options.onRetry });
}

/** Whether the same request may succeed a little later. */
export function canHelp(error: unknown): boolean {
  if (error instanceof UnreachableError) return true;
  return error instanceof HttpError && (error.status === 429 || error.status >= 500);
}

async function tryOnce(url: string, options: RequestOptions): Promise<Answer> {
  using limit = linked(options.signal);
  return await withinLimit(url, options, limit, async (response, tried) => ({
    status: response.status,
    headers: response.headers,
    text: await readText(response, tried),
  }));
}

/**
 * One GET whose answer goes on, e.g. a watch; the limit is that of its head. Aborting `signal`, which should be this one's alone,
 * ends the body too.
 * @throws {HttpError} an answer that is not 2xx  {UnreachableError} no answer
 */
export function stream(
  url: string,
  options: Omit<RequestOptions, "method" | "json" | "form" | "tries" | "retryUnreachable" | "onRetry">,
): Promise<ReadableStream<Uint8Array>> {
  const limit = linked(options.signal);
  return withinLimit(url, options, limit, (response) => {
    const body = response.body ?? new Blob([]).stream();
    // fetch forgets its signal when the request is collected as garbage (seen in Deno 2.9): a pipe of our own ends the body.
    return Promise.resolve(body.pipeThrough(new TransformStream(), { signal: limit.signal }));
  });
}

/** Sends one request; `read` takes what it needs of an answer that is 2xx before the limit is lifted. */
async function withinLimit<T>(
  url: string,
  options: RequestOptions,
  limit: AbortController,
  read: (response: Response, tried: string) => Promise<T>,
): Promise<T> {
  const { method = "GET", timeoutMs = 5_000, fetch: send = fetch as Fetch } = options;
  const tried = `${options.what} (${method} ${withoutQuery(url)})`;
  const timer = setTimeout(() => limit.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  const { signal } = limit;
  try {
    const response = await send(url, {
      method,
      headers: { ...(options.json === undefined ? {} : { "content-type": "application/json" }), ...options.headers },
      ...(options.json === undefined ? {} : { body: JSON.stringify(options.json) }),
      ...(options.form ? { body: new URLSearchParams(options.form) } : {}),
      redirect: "error",
      signal,
      ...(options.client ? { client: options.client } : {}),
    });
    if (response.ok) return await read(response, tried);
    const text = await readText(response, tried);
    const got = `${response.status} ${describe(text) || response.statusText}`.trim();
    throw new HttpError(
      { tried, got, fix: options.fix?.(response.status, text) },
      response.status,
      text,
      retryAfterMs(response.headers.get("retry-after")),
    );
  } catch (error) {
    if (error instanceof Problem) throw error;
    const reason = signal.aborted ? reasonOf(signal.reason) : connectReason(error);
    throw new UnreachableError({ tried, got: redact(reason), fix: options.fixUnreachable, cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Reads at most {@link LARGEST_ANSWER_BYTES}: an answer without an end must not fill the memory. */
async function readText(response: Response, tried: string): Promise<string> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let sizeBytes = 0;
  for await (const part of response.body ?? []) {
    sizeBytes += part.byteLength;
    if (sizeBytes > LARGEST_ANSWER_BYTES) {
      throw new Problem({ tried, got: `an answer of more than ${LARGEST_ANSWER_BYTES >> 20} MiB` });
    }
    parts.push(part);
  }
  return await new Blob(parts).text();
}

/** The message inside a Google error, a Kubernetes Status or plain text; at most 300 characters, without secrets. */
export function describe(body: string): string {
  let text = body;
  try {
    const value = JSON.parse(body);
    const error = value?.error ?? value;
    if (typeof error?.message === "string") {
      const reason = [error.status, error.reason].find((word) => typeof word === "string" && word !== "Failure");
      text = reason ? `${reason}: ${error.message}` : error.message;
    } else if (typeof value?.error === "string") {
      text = value.error_description ? `${value.error}: ${value.error_description}` : value.error;
    }
  } catch { /* not JSON: shown as it is */ }
  // Before the text is changed, since a secret of several lines would not be known again, and after it.
  text = redact(redact(text).replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim());
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

/** Delta seconds or an HTTP date, RFC 9110 section 10.2.3. */
export function retryAfterMs(header: string | null, now: () => number = Date.now): number | undefined {
  if (!header) return undefined;
  const seconds = Number(header);
  const waitMs = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(header) - now();
  return Number.isFinite(waitMs) && waitMs > 0 ? waitMs : undefined;
}

function withoutQuery(url: string): string {
  return url.split("?", 1)[0]!;
}

/** The innermost reason of a failed fetch, e.g. `Connection refused`; the outer ones repeat the URL. */
function connectReason(error: unknown): string {
  let reason = reasonOf(error);
  for (let at = (error as Error)?.cause; at instanceof Error; at = at.cause as Error) reason = at.message;
  return reason.replace(/^error sending request for url \([^)]*\):? ?/, "")
    .replace(/^client error \(\w+\): (tcp connect error: )?/, "").replace(/ \(os error \d+\)$/, "") ||
    "no connection";
}
