/** What tunnels hold while somebody does not read, and what they and junk leave behind; the gate is a process of its own, so its memory is its own. */
import assert from "node:assert/strict";
import { BENCH_HELLO } from "../bench/gate_peers.ts";
import { inDirectory } from "../temporary_directory.ts";
import { close, pause, writeAll } from "../integration/tunnel_peers.ts";

const MIB = 1_048_576;
const KIB = 1_024;
const IS_LINUX = Deno.build.os === "linux";

interface Started extends AsyncDisposable {
  child: Deno.ChildProcess;
  ports: number[];
}

async function start(program: string, flags: readonly string[], ...args: string[]): Promise<Started> {
  const path = new URL(`../bench/${program}`, import.meta.url).pathname;
  const command = ["run", "--no-check", "-A", ...flags, path, ...args];
  const child = new Deno.Command(Deno.execPath(), { args: command, stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  const ports = new TextDecoder().decode((await reader.read()).value).trim().split(" ").map(Number);
  return {
    child,
    ports,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    },
  };
}

/** Runs a test against a gate whose front end is a process, too. */
function withGate(test: (gate: Started) => Promise<void>): Promise<void> {
  return inDirectory(async (directory) => {
    await using peer = await start("gate_peer_process.ts", [], String(16 * MIB), directory);
    // Without a limit V8 lets garbage pile up before it looks; with one, what is held shows.
    const flags = ["--v8-flags=--max-old-space-size=64"];
    const url = `https://localhost:${peer.ports[0]}`;
    await using gate = await start("gate_process.ts", flags, "embedded", url, "0", `${directory}/roots.pem`);
    await test(gate);
  });
}

function residentBytes({ child }: Started): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${child.pid}/status`))![1]) * KIB;
}

async function open(gate: Started, order: string): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: gate.ports[0]! });
  await writeAll(conn, Uint8Array.from([...BENCH_HELLO, order.charCodeAt(0)]));
  return conn;
}

/** A tunnel that was used, and waits. */
async function echoing(gate: Started): Promise<Deno.TcpConn> {
  const conn = await open(gate, "E");
  await echoOnce(conn);
  return conn;
}

async function echoOnce(conn: Deno.TcpConn): Promise<void> {
  await writeAll(conn, Uint8Array.of(7));
  assert.equal(await conn.read(new Uint8Array(10)), 1);
}

/** The gate's memory once it has stopped to change. */
async function settledBytes(gate: Started): Promise<number> {
  let bytes = 0;
  for (let same = 0; same < 4;) {
    await pause(100);
    const now = residentBytes(gate);
    same = Math.abs(now - bytes) < MIB ? same + 1 : 0;
    bytes = now;
  }
  return bytes;
}

for (const stalled of ["client", "app"] as const) {
  Deno.test({
    name: `gate's memory: 100 tunnels whose ${stalled} does not read take less than 1 MiB each, and others go on`,
    ignore: !IS_LINUX,
    fn: () =>
      withGate(async (gate) => {
        const live = await echoing(gate);
        const conns = await Promise.all(Array.from({ length: 100 }, () => echoing(gate)));
        const before = await settledBytes(gate);
        const all = [live, ...conns];
        for (let i = 0; i < 100; i++) {
          const conn = await open(gate, stalled === "client" ? "S" : "H");
          all.push(conn);
          if (stalled === "app") writeAll(conn, new Uint8Array(16 * MIB)).catch(() => {});
        }
        const grown = await settledBytes(gate) - before;
        assert.ok(grown > MIB, `${grown} bytes: nothing was held back`);
        assert.ok(grown < 100 * MIB, `${(grown / KIB / 100).toFixed(0)} KiB a tunnel`);
        await echoOnce(live);
        all.forEach(close);
      }),
  });
}

Deno.test({
  name: "gate's memory: 1,500 short tunnels and 5,000 connections that never say a name leave less than 16 MiB",
  ignore: !IS_LINUX,
  fn: () =>
    withGate(async (gate) => {
      const short = async () => close(await echoing(gate));
      const junk = async () => {
        const conn = await Deno.connect({ hostname: "127.0.0.1", port: gate.ports[0]! });
        await writeAll(conn, BENCH_HELLO.subarray(0, 100)).catch(() => {});
        close(conn);
      };
      const many = async (count: number, run: () => Promise<void>) => {
        await Promise.all(Array.from({ length: 32 }, async () => {
          while (count-- > 0) await run();
        }));
      };
      await many(1_000, short);
      await many(3_000, junk);
      // What is left behind is left in every round; what the allocator takes, for pools and fragments, comes once.
      const rounds: number[] = [];
      while (rounds.length < 5 && rounds.every((grown) => grown >= 16 * MIB)) {
        const before = await settledBytes(gate);
        await many(1_500, short);
        await many(5_000, junk);
        rounds.push(await settledBytes(gate) - before);
      }
      const grown = Math.min(...rounds);
      assert.ok(grown < 16 * MIB, `grew by ${rounds.map((bytes) => (bytes / MIB).toFixed(1)).join(", ")} MiB`);
    }),
});
