import { deepEqual, equal, rejects } from "node:assert/strict";
import type { EnvoyAdmin } from "./admin.ts";
import type { AdminDumps } from "./learn.ts";
import { type WatchOptions, watchWhitebox } from "./watch.ts";

const LISTENER = (port: number) => ({
  active_state: {
    listener: {
      name: `0.0.0.0_${port}`,
      filter_chains: [{
        filters: [{ typed_config: { "@type": "x.HttpConnectionManager", rds: { route_config_name: `${port}` } } }],
      }],
    },
  },
});

/** An Envoy that takes every file `takesAfter` looks after it was written, and has routes for `routes`. */
class FakeEnvoy implements EnvoyAdmin {
  ports = [80];
  routes = ["80", "81"];
  takesAfter = 2;
  away = false;
  files = new Map<string, string>();
  writes: string[] = [];
  dumpsAsked = 0;
  #looks = 0;

  write = (path: string, content: string): Promise<void> => {
    this.files.set(path, content);
    this.writes.push(path.replace("/w/", ""));
    this.#looks = 0;
    return Promise.resolve();
  };
  fingerprint(): Promise<string> {
    return this.away ? Promise.reject(new Error("connection refused")) : Promise.resolve(this.ports.join());
  }
  dumps(): Promise<AdminDumps> {
    this.dumpsAsked++;
    return Promise.resolve({ listeners: { configs: this.ports.map(LISTENER) }, clusters: {} });
  }
  taken() {
    const taken = ++this.#looks >= this.takesAfter;
    const version = (path: string) => JSON.parse(this.files.get(path) ?? "{}").version_info;
    return Promise.resolve({
      filterVersions: new Set<string>(taken ? [version("/w/lua.json")] : []),
      scopesVersion: taken ? version("/w/scopes.json") : undefined,
      routes: new Set(this.routes),
    });
  }
  scopes(): string[] {
    return JSON.parse(this.files.get("/w/scopes.json")!).resources
      .map(({ name }: { name: string }) => name).filter((name: string) => /^\d+$/.test(name));
  }
}

/** Options with a clock that only waits move, and a way to let the next wait of the given length pass. */
function fake(envoy: FakeEnvoy) {
  let nowMs = 0;
  const slept: number[] = [];
  let resume = () => {};
  const options: WatchOptions = {
    namespace: "shop",
    domain: "cluster.local",
    directory: "/w",
    admin: envoy,
    writeFile: envoy.write,
    readyTimeoutMs: 1_000,
    now: () => nowMs,
    sleep: (ms, signal) => {
      nowMs += ms;
      if (ms < 100) return Promise.resolve();
      slept.push(ms);
      return new Promise((resolve, reject) => {
        resume = resolve;
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    },
    log: { debug() {}, info() {}, warn() {}, error() {} },
  };
  const turn = async () => {
    const count = slept.length;
    resume();
    while (slept.length === count) await new Promise((resolve) => setTimeout(resolve, 0));
  };
  return { options, slept, turn };
}

Deno.test("returns when Envoy works with the files, scopes first", async () => {
  const envoy = new FakeEnvoy();
  const { options } = fake(envoy);
  await using watch = watchWhitebox(options);
  await watch.ready;
  deepEqual(envoy.writes, ["scopes.json", "lua.json"]);
  deepEqual(watch.ports.httpPorts, [80]);
});

Deno.test("follows the mesh, asks for little while nothing changes, and looks less often later", async () => {
  const envoy = new FakeEnvoy();
  const { options, slept, turn } = fake(envoy);
  await using watch = watchWhitebox(options);
  await watch.ready;
  await turn();
  equal(envoy.dumpsAsked, 1);
  envoy.writes = [];
  envoy.ports = [81];
  await turn();
  deepEqual(watch.ports.httpPorts, [81]);
  // Both ports while the Lua filter is replaced, the old one away after it.
  deepEqual(envoy.writes, ["scopes.json", "lua.json", "scopes.json"]);
  deepEqual(envoy.scopes(), ["81"]);
  while (slept.at(-1) === 500) await turn();
  equal(slept.at(-1), 5_000);
});

Deno.test("waits for an Envoy that is away", async () => {
  const envoy = new FakeEnvoy();
  const { options, turn } = fake(envoy);
  await using watch = watchWhitebox(options);
  await watch.ready;
  envoy.away = true;
  await turn();
  await turn();
  envoy.away = false;
  envoy.ports = [80, 81];
  await turn();
  deepEqual(watch.ports.httpPorts, [80, 81]);
});

Deno.test("does without a port that istiod has no routes for, until it has", async () => {
  const envoy = new FakeEnvoy();
  envoy.ports = [80, 82];
  const { options, turn } = fake(envoy);
  await using watch = watchWhitebox(options);
  await watch.ready;
  const lua = () => envoy.files.get("/w/lua.json")!;
  equal(lua().includes("[[80]]"), true);
  envoy.routes.push("82");
  await turn();
  equal(lua().includes("[[80 82]]"), true);
});

Deno.test("says what is missing when Envoy takes nothing", async () => {
  const envoy = new FakeEnvoy();
  envoy.takesAfter = 1_000_000;
  await using watch = watchWhitebox(fake(envoy).options);
  await rejects(watch.ready, /still without the scopes/);
});
