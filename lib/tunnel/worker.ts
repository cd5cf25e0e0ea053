/// <reference lib="deno.worker" />
/** One more thread of the tunnel's end; it shares the port with the others. Imports nothing but the server, to start quickly. */
import { TunnelServer } from "./server.ts";
import type { WorkerReply, WorkerRequest } from "./worker_messages.ts";

let server: TunnelServer | undefined;

self.onmessage = async ({ data: request }: MessageEvent<WorkerRequest>) => {
  const reply: WorkerReply = { id: request.id };
  try {
    if (request.kind === "serve") server = new TunnelServer(request.options);
    if (request.kind === "stats" && server) reply.stats = server.stats;
    if (request.kind === "drain") await server?.drain(request.limitMs);
    if (request.kind === "close") await server?.close();
  } catch (error) {
    reply.failure = error instanceof Error ? error.message : String(error);
  }
  self.postMessage(reply);
};
