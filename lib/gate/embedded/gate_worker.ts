/// <reference lib="deno.worker" />
/** One more thread of the embedded gate; it shares the ports with the others and asks the first for tokens. */
import { Problem, reasonOf } from "../../base/errors.ts";
import { Secret } from "../../base/secret.ts";
import { GateServer } from "./gate_server.ts";
import type { ThreadCalls } from "./thread.ts";
import type { FromWorker, TokenReply, ToWorker } from "./worker_messages.ts";

const say = (message: FromWorker) => self.postMessage(message);
const waiting = new Map<number, (reply: TokenReply) => void>();
let lastId = 0;

const calls: ThreadCalls = {
  tokens: {
    async get(audience) {
      const id = ++lastId;
      const answered = new Promise<TokenReply>((resolve) => waiting.set(id, resolve));
      say({ kind: "token", id, audience });
      const { token, failure } = await answered;
      if (!token) throw new Problem({ tried: `get an ID token for ${audience}`, got: failure ?? "nothing" });
      return { value: new Secret(token.value), expiresAt: token.expiresAt };
    },
    drop: (audience) => say({ kind: "drop", audience }),
  },
  onUnknownName: (serverName) => say({ kind: "unknown name", serverName }),
};
const server = new GateServer(calls);

self.onmessage = async ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === "token") {
    waiting.get(data.id)?.(data);
    waiting.delete(data.id);
    return;
  }
  const reply: Extract<FromWorker, { kind: "reply" }> = { kind: "reply", id: data.id };
  try {
    if (data.kind === "serve") reply.ports = await server.serve(data.options);
    if (data.kind === "update") await server.update(data.routes);
    if (data.kind === "stats") reply.stats = await server.stats();
    if (data.kind === "drain") await server.drain(data.limitMs);
    if (data.kind === "close") await server.close();
  } catch (error) {
    reply.failure = reasonOf(error);
  }
  say(reply);
};
