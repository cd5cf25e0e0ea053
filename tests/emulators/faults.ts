/** Errors, delays and broken connections on demand, and a log of the requests: the same for every HTTP emulator. */

/** What is to go wrong, and for which requests. The first rule that matches is taken, and only that. */
export interface FaultRule {
  /** A RegExp is tried on `METHOD /path?query`, e.g. `/^GET \/v1\//`. */
  match: RegExp | ((method: string, path: string) => boolean);
  /** How many requests it takes before it is used up. @default Infinity */
  times?: number;
  /** Wait before anything else is done. Alone, the request is then answered as usual. @default 0 */
  delayMs?: number;
  /** Answer this in place of the usual answer. @default 200 when there is a `body` or `headers` */
  status?: number;
  /** @default "" */
  body?: string;
  /** Of the answer, lower case, e.g. `{"retry-after": "1"}`. @default {"content-type": "application/json"} */
  headers?: Record<string, string>;
  /**
   * - `reset`: the connection (at the front end in HTTP/2: the stream) ends without an answer
   * - `hang`: no answer until the emulator is disposed of
   * - `malformed`: an answer that says it is JSON and breaks off in the middle
   */
  action?: "reset" | "hang" | "malformed";
}

/** One request as it came in. Headers are not kept: they hold the caller's token. */
export interface RequestRecord {
  method: string;
  /** With the query. */
  path: string;
  /** Milliseconds since 1970. */
  at: number;
  /** Who the caller turned out to be; undefined when not authenticated, or cut off by a fault. */
  user?: string;
  /** What the caller had to be allowed, in the order in which it was looked at. */
  permissions?: readonly string[];
  /** The status answered, or the fault's action; undefined as long as the request is in progress. */
  outcome?: number | "reset" | "hang";
}

/** What a rule makes of one request. */
export type FaultOutcome = "none" | "reset" | "hang" | {
  status: number;
  headers: Record<string, string>;
  body: string;
};

/** The rules of one emulator and the log of its requests. Both may be changed while it runs. */
export class Faults {
  readonly rules: FaultRule[] = [];
  readonly requests: RequestRecord[] = [];

  /** Adds rules behind those that are there; the rule's `times` counts from now. */
  add(...rules: FaultRule[]): void {
    // A copy: `times` is counted down here, and the caller's object stays reusable.
    this.rules.push(...rules.map((rule) => ({ ...rule })));
  }

  /** Everything answers as usual again. The log stays. */
  clear(): void {
    this.rules.length = 0;
  }

  /** The requests whose `METHOD /path` matches. */
  seen(pattern: RegExp): RequestRecord[] {
    return this.requests.filter((request) => pattern.test(`${request.method} ${request.path}`));
  }

  /** Logs a request; the emulator fills in the rest of the record. */
  record(method: string, path: string): RequestRecord {
    const record: RequestRecord = { method, path, at: Date.now() };
    this.requests.push(record);
    return record;
  }

  /** Takes the first rule that matches and waits its delay out; `signal` ends the wait early. */
  async apply(method: string, path: string, signal: AbortSignal): Promise<FaultOutcome> {
    const rule = this.rules.find((candidate) => matches(candidate, method, path));
    if (!rule) return "none";
    if (rule.times !== undefined) rule.times -= 1;
    if (rule.delayMs) await pause(rule.delayMs, signal);
    return outcomeOf(rule);
  }
}

function matches(rule: FaultRule, method: string, path: string): boolean {
  if (rule.times !== undefined && rule.times <= 0) return false;
  if (typeof rule.match === "function") return rule.match(method, path);
  // A pattern with the g or y flag would go on from where its last match ended.
  rule.match.lastIndex = 0;
  return rule.match.test(`${method} ${path}`);
}

function outcomeOf(rule: FaultRule): FaultOutcome {
  if (rule.action === "reset" || rule.action === "hang") return rule.action;
  const headers = { "content-type": "application/json", ...rule.headers };
  if (rule.action === "malformed") return { status: rule.status ?? 200, headers, body: rule.body ?? '{"broken": [' };
  if (rule.status === undefined && rule.body === undefined && rule.headers === undefined) return "none";
  return { status: rule.status ?? 200, headers, body: rule.body ?? "" };
}

/** Resolves after `ms`, or at once when `signal` is aborted; leaves no timer behind. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish);
  });
}
