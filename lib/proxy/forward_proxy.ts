import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Problem } from "../base/errors.ts";

/** Headers that belong to one connection, RFC 9110 section 7.6.1, and those meant for the proxy. */
const HOP_BY_HOP = ["connection", "proxy-connection", "keep-alive", "proxy-authorization", "te", "upgrade"];

/**
 * A plain HTTP forward proxy on the loopback: absolute-form requests and CONNECT. No mesh, no mTLS: it stands in for Envoy's
 * 15007 on a laptop, in the demo and in tests.
 * @throws {Problem} the port is taken
 */
export async function startForwardProxy(
  options: { hostname?: string; port: number },
): Promise<AsyncDisposable & { port: number }> {
  const { hostname = "127.0.0.1", port } = options;
  const sockets = new Set<Duplex>();
  const server = createServer(forward);
  server.on("connection", (socket: Socket) => keep(socket));
  server.on("connect", tunnel);
  server.on("clientError", (_error, socket) => socket.destroy());

  function keep(socket: Duplex): void {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  }

  function forward(incoming: IncomingMessage, answer: ServerResponse): void {
    const target = URL.canParse(incoming.url ?? "") ? new URL(incoming.url!) : undefined;
    if (target?.protocol !== "http:") {
      return refuse(answer, 400, "a forward proxy takes absolute http:// URLs and CONNECT");
    }
    const headers = { ...endToEnd(incoming.headers), host: target.host };
    const outgoing = request(target, { method: incoming.method ?? "GET", headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, endToEnd(response.headers));
      response.pipe(answer);
      response.on("error", () => answer.destroy());
    });
    outgoing.on("error", (error) => refuse(answer, 503, `cannot reach ${target.host}: ${error.message}`));
    answer.on("close", () => outgoing.destroy());
    incoming.pipe(outgoing);
  }

  function tunnel(incoming: IncomingMessage, client: Duplex, head: Uint8Array): void {
    const target = /^(.+):(\d{1,5})$/.exec(incoming.url ?? "");
    if (!target || Number(target[2]) < 1 || Number(target[2]) > 65_535) {
      return void client.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    }
    keep(client);
    let answered = false;
    const upstream = connect({
      host: target[1]!.replace(/^\[|\]$/g, ""),
      port: Number(target[2]),
      allowHalfOpen: true,
    });
    keep(upstream);
    upstream.on("connect", () => {
      answered = true;
      client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      if (head.length > 0) upstream.write(head);
      upstream.pipe(client);
      client.pipe(upstream);
    });
    upstream.on("error", () => {
      if (answered) client.destroy();
      else client.end("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
    });
    client.on("error", () => upstream.destroy());
    client.on("close", () => upstream.destroy());
  }

  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: Error & { code?: string }) =>
      reject(
        new Problem({
          tried: `listen on ${hostname}:${port} for the app's HTTP_PROXY`,
          got: error.code === "EADDRINUSE" ? "the port is taken" : error.message,
          fix: `end the process that has it (ss -ltnp 'sport = :${port}')`,
        }),
      ));
    server.listen(port, hostname, resolve);
  });
  return {
    port: (server.address() as { port: number }).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** The headers that go on: without those of this connection, among them what `connection` names. */
function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const named = (headers.connection ?? "").toLowerCase().split(",").map((name) => name.trim());
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name) && !named.includes(name)),
  );
}

function refuse(answer: ServerResponse, status: number, text: string): void {
  if (answer.headersSent) return void answer.destroy();
  answer.writeHead(status, { "content-type": "text/plain" }).end(`krun: ${text}\n`);
}
