/**
 * What registered services cost the gate with Envoy, as a curve: `ENVOY_BIN=/usr/local/bin/envoy deno run -A tests/bench/gate_services_bench.ts
 * [COUNT …]`. Push is from `update` to Envoy's acknowledgement of everything; each service has one server name, its front end a name of Cloud Run's.
 */
import { Secret } from "../../lib/base/secret.ts";
import { EnvoyGate } from "../../lib/gate/envoy/engine.ts";
import { CLUSTER_TYPE } from "../../lib/gate/envoy/resources.ts";
import { envoyGate, type IdTokens, type TunnelRoute } from "../../lib/gate/mod.ts";

const DEFAULT_COUNTS = [50, 500, 5_000];
/** An ID token of Google's has about this many characters. */
const TOKEN_BYTES = 900;

class BenchTokens implements IdTokens {
  #number = 0;
  readonly #takers = new Map<string, () => void>();

  get(): Promise<{ value: Secret; expiresAt: number }> {
    const value = new Secret(`${++this.#number}`.padEnd(TOKEN_BYTES, "x"));
    return Promise.resolve({ value, expiresAt: Date.now() + 3_600_000 });
  }

  drop(): void {}

  onRenewed(audience: string, take: () => void): () => void {
    this.#takers.set(audience, take);
    return () => void this.#takers.delete(audience);
  }

  renew(audience: string): void {
    this.#takers.get(audience)?.();
  }
}

function routeOf(number: number, port = 443): TunnelRoute {
  const name = `service-${number}`;
  return {
    service: `prod/${name}`,
    serverNames: [`outbound_.8080_._.${name}.prod.svc.cluster.local`],
    url: `https://${name}.a.run.app:${port}`,
    audience: `https://${name}`,
    path: "/_hbone/15003",
    limits: { tunnels: 10_000, connectTimeoutMs: 5_000, idleTimeoutMs: 3_600_000 },
  };
}

async function measure(envoy: string, count: number): Promise<string[]> {
  const tokens = new BenchTokens();
  const gate = await envoyGate(envoy).serve({ ports: { tunnels: 0, istiod: 0 }, hostname: "127.0.0.1", tokens });
  try {
    const { ads, child } = gate as EnvoyGate;
    const sent = () => ads.sent.get(CLUSTER_TYPE)?.resources ?? 0;
    const emptyMib = await residentMib(child!.pid);
    const tunnels = Array.from({ length: count }, (_, number) => routeOf(number));
    const push = await timed(() => gate.update({ tunnels, istiod: [] }));

    let before = sent();
    const changed = await timed(() => gate.update({ tunnels: tunnels.with(0, routeOf(0, 8443)), istiod: [] }));
    const sentForChange = sent() - before;

    before = sent();
    const replaced = await timed(async () => {
      tokens.renew("https://service-1");
      while (sent() === before) await new Promise((resolve) => setTimeout(resolve, 1));
      await ads.settled();
    });
    const mib = await residentMib(child!.pid);
    return [
      `${count}`,
      `${(push / 1_000).toFixed(2)} s`,
      `${mib.toFixed(0)} MiB (${((mib - emptyMib) * 1_024 / count).toFixed(0)} KiB a service)`,
      `${(await residentMib(Deno.pid)).toFixed(0)} MiB`,
      `${changed.toFixed(0)} ms, ${sentForChange} sent`,
      `${replaced.toFixed(0)} ms, ${sent() - before} sent`,
    ];
  } finally {
    await gate[Symbol.asyncDispose]();
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

async function residentMib(pid: number): Promise<number> {
  return Number(/VmRSS:\s*(\d+)/.exec(await Deno.readTextFile(`/proc/${pid}/status`))?.[1] ?? 0) / 1_024;
}

const envoy = Deno.env.get("ENVOY_BIN");
if (!envoy) throw new Error("ENVOY_BIN names no Envoy");
const counts = Deno.args.length > 0 ? Deno.args.map(Number) : DEFAULT_COUNTS;
const write = (cells: readonly string[]) => Deno.stdout.write(new TextEncoder().encode(`| ${cells.join(" | ")} |\n`));
await write(["services", "push", "Envoy", "hgate", "one route changed", "one token replaced"]);
await write(["---", "---", "---", "---", "---", "---"]);
for (const count of counts) await write(await measure(envoy, count));
