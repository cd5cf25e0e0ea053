/**
 * A gate, or what it is compared with, in a process of its own. Arguments: kind, URL of the front end, port of a TCP peer (inside
 * TLS for "plain envoy, TLS"), file with the roots. Prints its port.
 */
import { Secret } from "../../lib/base/secret.ts";
import { embeddedGate, envoyGate } from "../../lib/gate/mod.ts";
import { BENCH_NAME } from "./gate_peers.ts";
import { plainEnvoy } from "./plain_envoy.ts";

const [kind, url, peerPort, rootsFile] = Deno.args as [string, string, string, string];

if (kind.startsWith("plain envoy")) {
  const roots = kind === "plain envoy, TLS" ? rootsFile : undefined;
  await plainEnvoy(Deno.env.get("ENVOY_BIN")!, Number(peerPort), roots, print);
} else {
  const engine = kind.startsWith("envoy") ? envoyGate(Deno.env.get("ENVOY_BIN")!) : embeddedGate;
  const gate = await engine.serve({
    ports: { tunnels: 0, istiod: 0 },
    hostname: "127.0.0.1",
    tokens: {
      get: () => Promise.resolve({ value: new Secret("benchmark-token"), expiresAt: Date.now() + 3_600_000 }),
      drop: () => {},
      onRenewed: () => () => {},
    },
    frontEndRoots: await Deno.readTextFile(rootsFile),
    allowCleartext: true,
  });
  await gate.update({
    tunnels: [{
      service: "bench/bench",
      serverNames: [BENCH_NAME],
      url,
      audience: "https://bench",
      path: "/_hbone/15003",
      limits: { tunnels: 50_000, connectTimeoutMs: 5_000, idleTimeoutMs: 3_600_000 },
    }],
    istiod: [],
  });
  // Its Envoy is a child: it goes with us.
  Deno.addSignalListener("SIGTERM", () => void gate[Symbol.asyncDispose]().then(() => Deno.exit(0)));
  print(gate.ports.tunnels);
  await gate.ended;
}

function print(port: number): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${port}\n`));
}
