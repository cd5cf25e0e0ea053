import { inDirectory } from "../../tests/temporary_directory.ts";
import assert from "node:assert/strict";
import type { Fetch } from "../base/http.ts";
import { envoyVersion } from "./envoy_version.ts";
import { findProgram } from "../base/find_program.ts";
import { pollAfterMs, waitReady } from "./wait_ready.ts";

const write = (path: string, text: string, mode: number) => Deno.writeTextFile(path, text, { mode });
const options = { variable: "KRUN_ENVOY", fix: "install it" };

Deno.test("programs: the first in PATH that can be executed; directories and plain files are passed over", () =>
  inDirectory(async (directory) => {
    const path = ["a", "b", "c", "d"].map((name) => `${directory}/${name}`);
    for (const one of path) await Deno.mkdir(one);
    await Deno.mkdir(`${path[0]}/envoy`);
    await write(`${path[1]}/envoy`, "", 0o644);
    await write(`${path[2]}/envoy`, "", 0o755);
    await write(`${path[3]}/envoy`, "", 0o755);
    assert.equal(await findProgram("envoy", { ...options, path: `:${path.join(":")}` }), `${path[2]}/envoy`);
    assert.equal(
      await findProgram("envoy", { ...options, path: path.join(":"), given: `${path[3]}/envoy` }),
      `${path[3]}/envoy`,
    );
    const message = `start ${path[1]}/envoy (KRUN_ENVOY)\n  got: not executable\n  do: chmod +x ${path[1]}/envoy`;
    await assert.rejects(findProgram("envoy", { ...options, path: "", given: `${path[1]}/envoy` }), { message });
  }));

Deno.test("programs: none says where it was looked for", async () => {
  await assert.rejects(findProgram("no-such-program", { ...options, path: "/no/such:/nowhere" }), {
    message:
      "find no-such-program in PATH (/no/such:/nowhere) and /usr/local/bin\n  got: no such program\n  do: install it",
  });
  await assert.rejects(findProgram("x", { ...options, path: undefined, given: "/no/such/x" }), {
    message: "find x in /no/such/x\n  got: no such program\n  do: install it",
  });
});

const VERSIONS: [name: string, script: string, expected: string][] = [
  ["Envoy's own", "echo; echo 'envoy  version: a1b2/1.40.0/Clean/RELEASE/BoringSSL'", "1.40.0 false"],
  ["Istio's", "echo 'envoy  version: a1b2/1.33.0-dev/Clean/RELEASE/BoringSSL'", "1.33.0 true"],
  ["neither", "echo hello; exit 3", 'no version in "hello"'],
  ["nothing", "exit 1", 'no version in ""'],
];
for (const [name, script, expected] of VERSIONS) {
  Deno.test(`Envoy's version, asked for: ${name}`, () =>
    inDirectory(async (directory) => {
      await write(`${directory}/envoy`, `#!/bin/sh\n[ "$*" = --version ] || exit 9\n${script}\n`, 0o755);
      const said = await envoyVersion(`${directory}/envoy`).then(
        ({ version, istio }) => `${version} ${istio}`,
        (error) => {
          assert.equal(error.tried, `run ${directory}/envoy --version`);
          return error.got;
        },
      );
      assert.equal(said, expected);
    }));
}

Deno.test("Envoy's version: a program that does not run", () =>
  assert.rejects(
    envoyVersion("/no/such/envoy"),
    /^Problem: run \/no\/such\/envoy --version\n {2}got: .*\n {2}do: set KRUN_ENVOY/,
  ));

/** A clock that goes on by what each poll is said to take. */
function polls(answers: (attempt: number) => Promise<Response>): { fetch: Fetch; at: number[] } {
  const at: number[] = [];
  return {
    at,
    fetch: () => {
      at.push(performance.now());
      return answers(at.length);
    },
  };
}

Deno.test("readiness: polled soon and often at first, seldom later", () => {
  const waits = Array.from({ length: 100 }, (_, attempt) => pollAfterMs(attempt));
  for (const wait of waits.slice(0, 6)) assert(wait <= 10, String(wait));
  for (const wait of waits) assert(wait >= 5 && wait <= 50, String(wait));
  assert.deepEqual(waits, waits.toSorted((a, b) => a - b));
});

Deno.test("readiness: 200 counts, nothing else does", async () => {
  const { fetch, at } = polls((attempt) =>
    attempt === 1
      ? Promise.reject(new TypeError("refused"))
      : Promise.resolve(new Response(null, { status: [503, 204, 302, 200][attempt - 2]! }))
  );
  const signal = new AbortController().signal;
  assert.equal(await waitReady("http://x/", { limitMs: 5_000, signal, fetch }), true);
  assert.equal(at.length, 5);
});

Deno.test("readiness: not in time, or called off", async () => {
  let now = 0;
  const { fetch, at } = polls(() => {
    now += 400;
    return Promise.reject(new TypeError("refused"));
  });
  const never = new AbortController();
  assert.equal(await waitReady("http://x/", { limitMs: 1_000, signal: never.signal, fetch, now: () => now }), false);
  assert.equal(at.length, 3);
  const called = new AbortController();
  const waiting = waitReady("http://x/", {
    limitMs: 60_000,
    signal: called.signal,
    fetch: (_, { signal }) =>
      new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
  });
  called.abort();
  assert.equal(await waiting, false);
});
