import assert from "node:assert/strict";
import { startMetadata } from "./metadata.ts";

const headers = { "metadata-flavor": "Google" };

Deno.test("faults: status, body and headers for so many requests, then as usual", async () => {
  await using server = await startMetadata();
  const url = `${server.origin}/computeMetadata/v1/project/project-id`;
  server.faults.add({
    match: /^GET .*project-id$/g,
    times: 2,
    status: 503,
    body: "busy",
    headers: { "retry-after": "1" },
  });
  for (let i = 0; i < 2; i++) {
    const response = await fetch(url, { headers });
    assert.deepEqual([response.status, response.headers.get("retry-after"), await response.text()], [503, "1", "busy"]);
  }
  assert.equal(await (await fetch(url, { headers })).text(), "demo-project");
  assert.deepEqual(server.faults.requests.map(({ outcome }) => outcome), [503, 503, 200]);
  assert.equal(server.faults.seen(/^GET .*project-id/).length, 3);
});

Deno.test("faults: a delay alone leaves the answer as it is", async () => {
  await using server = await startMetadata();
  server.faults.add({ match: (method, path) => method === "GET" && path.includes("project"), delayMs: 60 });
  const startedAtMs = performance.now();
  const response = await fetch(`${server.origin}/computeMetadata/v1/project/project-id`, { headers });
  assert.equal(await response.text(), "demo-project");
  assert.ok(performance.now() - startedAtMs >= 55);
});

Deno.test("faults: reset, hang and malformed", async () => {
  await using server = await startMetadata();
  const url = `${server.origin}/computeMetadata/v1/project/project-id`;
  server.faults.add({ match: /./, action: "reset" });
  await assert.rejects(fetch(url, { headers }), TypeError);
  server.faults.clear();
  server.faults.add({ match: /./, action: "malformed" });
  const response = await fetch(url, { headers });
  assert.equal(response.headers.get("content-type"), "application/json");
  await assert.rejects(response.json(), SyntaxError);
  server.faults.clear();
  server.faults.add({ match: /./, action: "hang" });
  await assert.rejects(fetch(url, { headers, signal: AbortSignal.timeout(100) }), { name: "TimeoutError" });
});

Deno.test("faults: disposing of an emulator ends requests that hang or wait", async () => {
  let pending: Promise<Response>[];
  {
    await using server = await startMetadata();
    server.faults.add({ match: /first/, action: "hang" }, { match: /second/, delayMs: 60_000 });
    pending = ["first", "second"].map((path) => fetch(`${server.origin}/${path}`));
    for (const each of pending) each.catch(() => {});
    while (server.faults.requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  for (const each of pending) await assert.rejects(each, TypeError);
});
