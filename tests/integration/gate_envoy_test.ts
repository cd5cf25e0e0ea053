/** The gate's suite for Envoy, where one is given: `ENVOY_BIN=/usr/local/bin/envoy deno test -A …`. */
import assert from "node:assert/strict";
import { envoyGate } from "../../lib/gate/mod.ts";
import { Stage, WEB } from "./gate_stage.ts";
import { gateConformance, type GateException } from "./gate_suite.ts";
import { echo, readAll, until, writeAll } from "./tunnel_peers.ts";

const envoy = Deno.env.get("ENVOY_BIN");

/** Seen with Envoy 1.40. */
const EXCEPTIONS: readonly GateException[] = [
  {
    case: "the app's reset reaches the client as a reset",
    reason: "tcp_proxy ends the client's connection in order when the tunnel's stream is reset",
  },
  {
    case: "an app that answers and closes while the client still sends: the answer arrives whole",
    reason:
      "a stream reset with NO_ERROR after its end leaves the client's direction open until the client ends it, or is idle",
  },
  {
    case: "500 short tunnels, 16 at once, all end cleanly and are counted",
    reason: "a client that ends its sending side before its ClientHello was read is closed; no client of TLS does so",
  },
  ...["127.0.0.1", "::1"].map((address) => ({
    case: `a gate for both families: bytes and resets for a client at ${address}`,
    reason: "as for the app's reset",
  })),
  {
    case: "a reset of the front end reaches a client that does not read",
    reason: "as for the app's reset: the client reads a clean end",
  },
  {
    case: "an app that answers and is gone: a client that reads later has the answer whole",
    reason:
      "a reset with NO_ERROR after the end takes what the client has not read yet, and the client reads a clean end",
  },
  {
    case: "a client's reset reaches an app that does not read",
    reason: "a connection that is held back is not read, and its reset is not seen",
  },
  {
    case: "a client that is gone before the front end has answered: the request is cancelled",
    reason: "tcp_proxy does not read until the front end has answered",
  },
  {
    case: "401 for many at once: one token is dropped, all go on with the next",
    reason: "a refused tunnel is closed and not tried again; the client's next try is carried",
  },
  {
    case: "a front end that is silent for long is given up, and one that answers is not",
    reason:
      "the keep-alive of its connections has times of its own, longer than the case waits: `keepAliveMs` is not read",
  },
];

if (!envoy) {
  Deno.test({ name: "gate envoy: skipped, no Envoy is given (ENVOY_BIN)", ignore: true, fn() {} });
} else {
  const engine = envoyGate(envoy, { openStreamsMs: 100 });
  gateConformance(engine, EXCEPTIONS);

  Deno.test("gate envoy: 500 short tunnels of clients that end after the first answer are all counted", async () => {
    await using stage = await Stage.open(engine);
    const serving = stage.web.serve(echo);
    let left = 500;
    await Promise.all(Array.from({ length: 16 }, async () => {
      while (left-- > 0) {
        const client = await stage.ask(WEB);
        await client.read(new Uint8Array(16_384));
        await client.closeWrite();
        await readAll(client);
        client.close();
      }
    }));
    await until(async () => await stage.open() === 0 && await stage.result("ok") === 500, "all counted");
    await stage.web[Symbol.asyncDispose]();
    await serving;
  });

  Deno.test("gate envoy: a token that is renewed is in the next request, and no stream ends", async () => {
    await using stage = await Stage.open(engine);
    const { client, server } = await stage.tunnel();
    stage.tokens.renew("https://web");
    const token = stage.tokens.current("https://web");
    await until(async () => {
      const other = await stage.ask(WEB);
      await other.read(new Uint8Array(1)).catch(() => null);
      other.close();
      return stage.frontEnd.requests.at(-1)?.token === token;
    }, "a request with the new token");
    await writeAll(client, Uint8Array.of(1));
    assert.equal(await server.read(new Uint8Array(1)), 1);
  });

  Deno.test("gate envoy: a token that the front end refuses is replaced, and the client's next try is carried", async () => {
    await using stage = await Stage.open(engine);
    const refused = stage.tokens.current("https://web");
    stage.frontEnd.verdict = ({ token }) => token === refused ? { status: 401 } : "pass";
    const first = await stage.ask(WEB);
    await assert.rejects(readAll(first), Deno.errors.ConnectionReset);
    await until(async () => await stage.result("unauthorized") === 1, "the refusal counted");
    assert.deepEqual(stage.tokens.dropped, ["https://web"]);
    await until(
      () => Promise.resolve(stage.tokens.asked.filter((one) => one === "https://web").length > 1),
      "asked anew",
    );
    const serving = stage.web.serve(echo);
    await until(async () => {
      const client = await stage.ask(WEB);
      const count = await client.read(new Uint8Array(100)).catch(() => null);
      client.close();
      return count !== null;
    }, "a tunnel with the new token");
    await stage.web[Symbol.asyncDispose]();
    await serving;
  });

  Deno.test("gate envoy: no such binary, and a port that is taken, are Problems", async () => {
    const options = { ports: { tunnels: 0, istiod: 0 }, hostname: "127.0.0.1", tokens: noTokens };
    await assert.rejects(envoyGate("/nowhere/envoy").serve(options), { name: "Problem" });
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const ports = { tunnels: (taken.addr as Deno.NetAddr).port, istiod: 0 };
    await assert.rejects(engine.serve({ ...options, ports }), { name: "Problem", message: /Address already in use/ });
  });
}

const noTokens = {
  get: () => Promise.reject(new Error("there are none")),
  drop() {},
  onRenewed: () => () => {},
};
