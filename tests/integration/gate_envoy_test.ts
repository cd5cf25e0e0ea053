/** The gate's suite for Envoy, where one is given: `ENVOY_BIN=/usr/local/bin/envoy deno test -A …`. */
import assert from "node:assert/strict";
import { envoyGate } from "../../lib/gate/mod.ts";
import { Stage, WEB } from "./gate_stage.ts";
import { gateConformance, type GateException } from "./gate_suite.ts";
import { echo, readAll, until, writeAll } from "./tunnel_peers.ts";

const envoy = Deno.env.get("ENVOY_BIN");

const NO_RESET =
  "tcp_proxy ends a client's connection in order where the tunnel's stream, or the tunnel itself, was reset";
const NO_RETRY =
  "tcp_proxy cannot wait for another token: it is replaced, and the client's next try has it (a test below)";
const AHEAD = "tokens are fetched when a route is registered, so Envoy has one before it is asked for";
const NOT_ENDED =
  "streams of a cluster that was removed or replaced go on to their end, which the front end's timeout brings";

/** Seen with Envoy 1.40. */
const EXCEPTIONS: readonly GateException[] = [
  ...[
    "the app's reset reaches the client as a reset",
    "a gate for both families: bytes and resets for a client at 127.0.0.1",
    "a gate for both families: bytes and resets for a client at ::1",
    "a reset of the front end reaches a client that does not read",
    "a connection to the front end that is reset: its tunnels are reset and counted, the next takes a new one",
    "a front end that is silent for long is given up, and one that answers is not",
    "a tunnel where nothing moves is reset after the idle timeout, one where something moves is not",
    "drain: what is open at the limit is reset",
    "disposal resets what is open and ends `ended`",
  ].map((name) => ({ case: name, reason: NO_RESET })),
  ...[
    "401: the token is dropped, and a fresh one tried once",
    "401 for many at once: one token is dropped, all go on with the next",
    "401 for the fresh token too: closed, counted",
    "a request that the front end refuses unprocessed is sent again, any other reset is not",
  ].map((name) => ({ case: name, reason: NO_RETRY })),
  ...[
    "an unknown name: closed, told of once, no token asked for, no connection made",
    "no token is to be had: closed, counted, the front end hears nothing",
    "15012: TLS for istiod's names passes through, ends and resets too, and nothing else",
  ].map((name) => ({ case: name, reason: AHEAD })),
  ...[
    "a route that is removed: its tunnels are reset, those of others go on, its name is unknown",
    "a route whose names, audience or limits change: open tunnels stay, new ones go by the new",
    "a route that leads elsewhere now: its old tunnels are reset, another service's are not",
    "15443: services that allow it pass through, where the port is asked for",
  ].map((name) => ({ case: name, reason: NOT_ENDED })),
  {
    case: "an app that answers and closes while the client still sends: the answer arrives whole",
    reason: "Envoy discards what it holds for a client when the stream is reset, even with NO_ERROR after its end",
    byRace: true,
  },
  {
    case: "an app that answers and is gone: a client that reads later has the answer whole",
    reason: "Envoy discards what it holds for a client when the stream is reset, even with NO_ERROR after its end",
  },
  {
    case: "500 short tunnels, 16 at once, all end cleanly and are counted",
    reason: "a client that ends its sending side before its ClientHello was read is closed; no client of TLS does so",
  },
  {
    case: "a thousand connections that never say a name hold nobody up and leave nothing",
    reason:
      "connections without a ClientHello are closed after 5 s, not the longest waiting first; the limit of all holds",
  },
  {
    case: "a client that is gone before the front end has answered: the request is cancelled",
    reason: "tcp_proxy does not read its client before the tunnel stands; the end is seen then",
  },
  {
    case: "a client's reset reaches an app that does not read",
    reason: "a connection that is held back is not read, and its reset is not seen",
  },
  {
    case: "tunnels over the limit of all are refused and counted",
    reason: "Envoy closes them when they are accepted, before a name is known: they are counted by its own statistic",
  },
  {
    case: "a limit that the front end lowers is kept, and open tunnels stay",
    reason: "a new connection's streams are opened before its SETTINGS came; only Cloud Run's usual 100 is known ahead",
    byRace: true,
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
