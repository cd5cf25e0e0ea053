/**
 * The HTTP server under the request-and-answer emulators: HTTP/1.1, plain or over TLS.
 *
 * On node:http and node:https rather than Deno.serve: a `reset` fault needs the connection, and the Kubernetes emulator
 * the client's certificate; Deno.serve gives neither. Not HTTP/2, which a real API server offers too: when a client
 * closes such a connection Deno 2.9.6 may abort the process (https://github.com/denoland/deno/issues/36788).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Http2SecureServer } from "node:http2";
import { createServer as createSecureServer } from "node:https";
import { Buffer } from "node:buffer";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { Faults, type RequestRecord } from "./faults.ts";
import { directFetch } from "./http_direct.ts";

/** A request, read to its end. */
export interface EmulatedRequest {
  method: string;
  /** `http://127.0.0.1:PORT/…`: read `pathname` and `searchParams`. */
  url: URL;
  /** Names in lower case; of a repeated header, the values joined with a comma. */
  headers: Record<string, string>;
  body: Uint8Array;
  /** The subject of the client's certificate, when the `clientCaPem` given signed it. */
  clientSubject?: { commonName: string; organizations: string[] };
}

/** What is answered. */
export interface EmulatedAnswer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
  /** Sent piece by piece, chunked, in place of `body`; returned early when the client goes away. */
  pieces?: AsyncIterableIterator<string>;
  /** For the request log: whom the emulator took the caller for. */
  user?: string;
  /** For the request log: what the caller was asked to be allowed, e.g. `iam.serviceAccounts.get`. */
  permissions?: readonly string[];
}

export interface HttpServerOptions {
  handle: (request: EmulatedRequest) => EmulatedAnswer | Promise<EmulatedAnswer>;
  /** @default plain HTTP/1.1 */
  tls?: { certificatePem: string; privateKeyPem: string; clientCaPem: string };
  /** @default 0, any free one */
  port?: number;
}

/** A running server on 127.0.0.1. */
export interface HttpServer extends AsyncDisposable {
  port: number;
  /** `127.0.0.1:PORT` */
  host: string;
  /** `http://127.0.0.1:PORT` or `https://…`, without a slash at the end. */
  origin: string;
  faults: Faults;
  /** The same as over the network, with faults and log, without the network: for thousands of requests. */
  fetch(url: string, init?: RequestInit): Promise<Response>;
}

/** An answer with a JSON body. */
export function jsonAnswer(status: number, value: unknown, headers: Record<string, string> = {}): EmulatedAnswer {
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(value) };
}

/** Starts a server; resolves when it listens. Disposing of it cuts every connection, also those of hanging requests. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const faults = new Faults();
  const ending = new AbortController();
  const listener = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    // A client that goes away makes both emit errors, which would end the process if nobody listened.
    incoming.on("error", () => {});
    outgoing.on("error", () => {});
    exchange(incoming, outgoing, options, faults, ending.signal).catch(() => reset(incoming));
  };
  const server = createListener(options.tls, listener);
  const close = closer(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    port: (server.address() as AddressInfo).port,
    host,
    origin: `${options.tls ? "https" : "http"}://${host}`,
    faults,
    fetch: directFetch((method, path, read) => answerOf(method, path, read, options, faults, ending.signal)),
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await close();
    },
  };
}

function createListener(
  tls: HttpServerOptions["tls"],
  listener: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
): Server {
  if (!tls) return createServer(listener);
  return createSecureServer({
    cert: tls.certificatePem,
    key: tls.privateKeyPem,
    ca: tls.clientCaPem,
    requestCert: true,
    // A caller without a certificate may still have a token.
    rejectUnauthorized: false,
  }, listener);
}

/** Closes the listener and, unlike `close` alone, the connections that clients keep for later. */
export function closer(server: Server | Http2SecureServer): () => Promise<void> {
  const connections = new Set<{ destroy(): void; once(event: "close", listener: () => void): unknown }>();
  for (const event of ["connection", "secureConnection", "session"]) {
    server.on(event, (connection: Socket) => {
      connections.add(connection);
      connection.once("close", () => connections.delete(connection));
      connection.on("error", () => {});
    });
  }
  server.on("tlsClientError", () => {});
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const connection of connections) connection.destroy();
    });
}

/** What a request comes to: an answer, or a connection that is cut at once or in the end. */
async function answerOf(
  method: string,
  path: string,
  read: () => Promise<EmulatedRequest>,
  options: HttpServerOptions,
  faults: Faults,
  ending: AbortSignal,
): Promise<EmulatedAnswer | "reset" | "hang"> {
  const record: RequestRecord = faults.record(method, path);
  const fault = await faults.apply(method, path, ending);
  if (fault === "reset" || fault === "hang") return record.outcome = fault;
  const answer: EmulatedAnswer = fault === "none" ? await options.handle(await read()) : fault;
  record.outcome = answer.status;
  if (answer.user !== undefined) record.user = answer.user;
  if (answer.permissions) record.permissions = answer.permissions;
  return answer;
}

async function exchange(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  options: HttpServerOptions,
  faults: Faults,
  ending: AbortSignal,
): Promise<void> {
  const read = () => readRequest(incoming, options);
  const answer = await answerOf(incoming.method ?? "GET", incoming.url ?? "/", read, options, faults, ending);
  if (answer === "hang") return;
  if (answer === "reset") return reset(incoming);
  if (outgoing.destroyed || ending.aborted) return;
  const body = new TextEncoder().encode(answer.body ?? "");
  outgoing.statusCode = answer.status;
  for (const [name, value] of Object.entries(answer.headers ?? {})) outgoing.setHeader(name, value);
  if (answer.pieces) return await sendPieces(outgoing, answer.pieces, ending);
  outgoing.setHeader("content-length", String(body.length));
  outgoing.end(body);
}

async function sendPieces(
  outgoing: ServerResponse,
  pieces: AsyncIterableIterator<string>,
  ending: AbortSignal,
): Promise<void> {
  const stop = () => void pieces.return?.();
  outgoing.on("close", stop);
  ending.addEventListener("abort", stop);
  outgoing.flushHeaders();
  for await (const piece of pieces) outgoing.write(piece);
  ending.removeEventListener("abort", stop);
  outgoing.end();
}

function reset(incoming: IncomingMessage): void {
  incoming.socket.destroy();
}

async function readRequest(incoming: IncomingMessage, options: HttpServerOptions): Promise<EmulatedRequest> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Uint8Array);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) headers[name] = String(value ?? "");
  const clientSubject = options.tls ? subjectOf(incoming.socket as TLSSocket) : undefined;
  return {
    method: incoming.method ?? "GET",
    url: new URL(incoming.url ?? "/", "http://127.0.0.1"),
    headers,
    body: new Uint8Array(Buffer.concat(chunks)),
    ...(clientSubject ? { clientSubject } : {}),
  };
}

function subjectOf(socket: TLSSocket): EmulatedRequest["clientSubject"] {
  if (!socket.authorized) return undefined;
  const subject = socket.getPeerCertificate().subject as unknown as Record<string, string | string[] | undefined>;
  return { commonName: [subject.CN ?? ""].flat()[0] ?? "", organizations: [subject.O ?? []].flat() };
}
