import assert from "node:assert/strict";
import fc from "fast-check";
import {
  canHelp,
  describe,
  type Fetch,
  HttpError,
  request,
  type RequestOptions,
  retryAfterMs,
  UnreachableError,
} from "./http.ts";
import { registerSecret } from "./secret.ts";

/** Answers in turn; the last one again and again. */
function answers(...all: (Response | Error)[]): Fetch & { calls: number } {
  const send = (() => {
    const next = all[Math.min(send.calls++, all.length - 1)]!;
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next.clone());
  }) as unknown as Fetch & { calls: number };
  send.calls = 0;
  return send;
}

const failure = (options: Omit<RequestOptions, "what">): Promise<Error> =>
  request("http://api.example/v1/things?key=1", { what: "list things", ...options }).then(
    () => assert.fail("no error"),
    (error) => error,
  );

const RETRIED: [name: string, answer: Response | Error, tries: number][] = [
  ["200", new Response("ok"), 1],
  ["400", new Response("", { status: 400 }), 1],
  ["401", new Response("", { status: 401 }), 1],
  ["403", new Response("", { status: 403 }), 1],
  ["404", new Response("", { status: 404 }), 1],
  ["409", new Response("", { status: 409 }), 1],
  ["429", new Response("", { status: 429 }), 2],
  ["500", new Response("", { status: 500 }), 2],
  ["503", new Response("", { status: 503 }), 2],
  ["no connection", new TypeError("error sending request"), 2],
];
for (const [name, answer, tries] of RETRIED) {
  Deno.test(`request: ${name} takes ${tries} of two tries`, async () => {
    const fetch = answers(answer);
    await request("http://api.example/", { what: "ask", tries: 2, fetch }).catch(() => {});
    assert.equal(fetch.calls, tries);
  });
}

Deno.test("request: a try that helps", async () => {
  const retried: string[] = [];
  const { text } = await request("http://api.example/v1?x=secret", {
    what: "ask",
    fetch: answers(
      new Response('{"error":{"status":"UNAVAILABLE","message":"soon"}}', { status: 503 }),
      new Response("fine"),
    ),
    onRetry: (error, waitMs) => retried.push(`${error.message} ${waitMs >= 100 && waitMs <= 200}`),
  });
  assert.equal(text, "fine");
  assert.deepEqual(retried, ["ask (GET http://api.example/v1)\n  got: 503 UNAVAILABLE: soon true"]);
});

Deno.test("request: Retry-After is waited for before the next try, and not after the last", async () => {
  const busy = () => new Response("", { status: 429, headers: { "retry-after": "0.3" } });
  let startedAt = performance.now();
  await request("http://a/", { what: "ask", tries: 2, fetch: answers(busy(), new Response("ok")) });
  assert(performance.now() - startedAt >= 390, "300 ms asked for and 100 ms of our own");
  startedAt = performance.now();
  await request("http://a/", { what: "ask", tries: 1, fetch: answers(busy()) }).catch(() => {});
  assert(performance.now() - startedAt < 250);
});

Deno.test("request: what an error says", async () => {
  const error = await failure({
    fetch: answers(new Response("no", { status: 403 })),
    fix: (status, answer) => `grant it (${status} ${answer})`,
  });
  assert(error instanceof HttpError);
  assert.equal(error.message, "list things (GET http://api.example/v1/things)\n  got: 403 no\n  do: grant it (403 no)");
});

Deno.test("request: no answer in time", async () => {
  const silent: Fetch = (_url, { signal }) =>
    new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
  const error = await failure({ fetch: silent, timeoutMs: 20, tries: 1, fixUnreachable: "look at the network" });
  assert(error instanceof UnreachableError);
  assert.equal(
    error.message,
    "list things (GET http://api.example/v1/things)\n  got: no answer within 20 ms\n  do: look at the network",
  );
});

Deno.test("request: the caller's signal ends the tries", async () => {
  const stop = new AbortController();
  const fetch = answers(new Response("", { status: 503 }));
  const asked = failure({ fetch, tries: 10, signal: stop.signal });
  setTimeout(() => stop.abort(new Error("enough")), 20);
  assert.equal((await asked).message, "enough");
  assert.equal(fetch.calls, 1);
});

Deno.test("request: an answer without an end does not fill the memory", async () => {
  let sentBytes = 0;
  const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => {
      sentBytes += 1 << 20;
      controller.enqueue(new Uint8Array(1 << 20));
    },
  });
  const error = await failure({ fetch: () => Promise.resolve(new Response(endless)) });
  assert.match(error.message, /got: an answer of more than 32 MiB$/);
  assert(sentBytes < 40 << 20);
});

Deno.test("request: forms and JSON", async () => {
  const bodies: unknown[] = [];
  const fetch: Fetch = (_url, init) => {
    bodies.push(init.body instanceof URLSearchParams ? `form ${init.body}` : `json ${init.body}`);
    return Promise.resolve(new Response("{}"));
  };
  await request("http://a/", { what: "ask", method: "POST", form: { a: "b c" }, fetch });
  await request("http://a/", { what: "ask", method: "POST", json: { a: 1 }, fetch });
  assert.deepEqual(bodies, ["form a=b+c", 'json {"a":1}']);
});

const DESCRIBED: [body: string, text: string][] = [
  ['{"error":{"code":403,"status":"PERMISSION_DENIED","message":"no"}}', "PERMISSION_DENIED: no"],
  ['{"kind":"Status","status":"Failure","reason":"Forbidden","message":"no"}', "Forbidden: no"],
  ['{"error":"invalid_grant","error_description":"Bad Request"}', "invalid_grant: Bad Request"],
  ['{"error":"invalid_grant"}', "invalid_grant"],
  ["<html><h1>Error:  404</h1>\n<p>gone</html>", "Error: 404 gone"],
  ["null", "null"],
  ["", ""],
  [`${"x".repeat(400)}`, `${"x".repeat(300)}…`],
];
for (const [body, text] of DESCRIBED) {
  Deno.test(`describe: ${body.slice(0, 40)}`, () => assert.equal(describe(body), text));
}

Deno.test("describe: any text gives at most 301 characters without a secret of several lines", () => {
  registerSecret("first line of it\nsecond  line of it");
  fc.assert(fc.property(fc.string(), fc.json(), (text, json) => {
    for (const body of [text, json, `{"error": ${json}}`]) assert(describe(body).length <= 301);
    assert(!describe(`${text}first line of it\nsecond  line of it`).includes("second"));
  }));
});

Deno.test("Retry-After: seconds and dates", () => {
  const now = () => Date.parse("2026-01-01T00:00:00Z");
  assert.equal(retryAfterMs("2", now), 2_000);
  assert.equal(retryAfterMs("Thu, 01 Jan 2026 00:00:05 GMT", now), 5_000);
  for (const none of [null, "", " ", "-1", "0", "soon", "1e999", "Wed, 31 Dec 2025 00:00:00 GMT"]) {
    assert.equal(retryAfterMs(none, now), undefined, String(none));
  }
  fc.assert(fc.property(fc.oneof(fc.string(), fc.double().map(String), fc.date().map(String)), (header) => {
    const waitMs = retryAfterMs(header);
    assert(waitMs === undefined || (Number.isFinite(waitMs) && waitMs > 0));
  }));
});

Deno.test("only what may pass by itself can be helped by another try", () => {
  assert.equal(canHelp(new UnreachableError({ tried: "a", got: "b" })), true);
  assert.equal(canHelp(new Error("x")), false);
});
