/**
 * Cloud Run's front end: TLS for `NAME.a.run.app`, the check of ID tokens, h2c to the container.
 *
 * Wire facts: https://cloud.google.com/run/docs/container-contract (h2c, headers),
 * https://cloud.google.com/run/docs/configuring/request-timeout (300 s, 504),
 * https://cloud.google.com/run/docs/troubleshooting (the texts of 503), https://cloud.google.com/trace/docs/trace-context.
 */
import { createSecureServer, type Http2SecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { randomBytes } from "node:crypto";
import type { CertificateAuthority } from "./certificates.ts";
import { Faults } from "./faults.ts";
import { ContainerConnections } from "./front_end_connections.ts";
import { type Exchange, exchangeOf, type Headers } from "./front_end_exchange.ts";
import { forward } from "./front_end_forward.ts";
import { closer } from "./http_server.ts";
import { checkInvoker, type InvokerPolicy, withoutSignature } from "./invoker_check.ts";
import type { JsonWebKeySet } from "./json_web_token.ts";

/** A service and its one instance. */
export interface CloudRunService extends InvokerPolicy {
  /** Where the container listens on 127.0.0.1; 503 when nothing answers there. */
  port: number;
}

/** What the front end knows; may be changed while it runs. */
export interface FrontEndState {
  /** By the first label of the host name: `hello` is `https://hello.a.run.app`. */
  services: Record<string, CloudRunService>;
  /** A request, and so a tunnel, ends after this time. @default 300_000 */
  requestTimeoutMs: number;
}

export interface FrontEndOptions extends Partial<FrontEndState> {
  /** Signs the certificate for `*.a.run.app`; clients must trust it. */
  authority: CertificateAuthority;
  /** Google's keys for ID tokens: those of the metadata emulator. */
  jwks: JsonWebKeySet;
  /** @default 0, any free one */
  port?: number;
  /** Streams a client may have open on one connection. @default 100 */
  maxConcurrentStreams?: number;
}

export interface FrontEndEmulator extends AsyncDisposable {
  state: FrontEndState;
  port: number;
  /** `127.0.0.1:PORT`: connect here, with the service's name as SNI and `:authority`. */
  host: string;
  faults: Faults;
}

const DOMAIN = ".a.run.app";

/** Starts a front end on a free port. */
export async function startFrontEnd(options: FrontEndOptions): Promise<FrontEndEmulator> {
  const { authority, jwks, services = {}, requestTimeoutMs = 300_000 } = options;
  const state: FrontEndState = { services, requestTimeoutMs };
  const faults = new Faults();
  const connections = new ContainerConnections();
  const ending = new AbortController();
  const server = listener(authority, options.maxConcurrentStreams ?? 100);
  server.on("request", (request, response) => {
    const exchange = exchangeOf(request, response);
    serve(exchange, { state, faults, connections, jwks, ending: ending.signal }).catch(() => exchange.reset(2));
  });
  const close = closer(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", () => resolve());
  });
  const { port } = server.address() as AddressInfo;
  return {
    state,
    port,
    host: `127.0.0.1:${port}`,
    faults,
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await connections[Symbol.asyncDispose]();
      await close();
    },
  };
}

function listener(authority: CertificateAuthority, maxConcurrentStreams: number): Http2SecureServer {
  const certificate = authority.issue({ commonName: "*.a.run.app", subjectAltNames: ["*.a.run.app", "a.run.app"] });
  const windowBytes = 1024 * 1024;
  const server = createSecureServer({
    cert: certificate.certificatePem,
    key: certificate.privateKeyPem,
    allowHTTP1: true,
    settings: { maxConcurrentStreams, initialWindowSize: windowBytes },
  });
  server.on("session", (session) => session.setLocalWindowSize(4 * windowBytes));
  return server;
}

interface Surroundings {
  state: FrontEndState;
  faults: Faults;
  connections: ContainerConnections;
  jwks: JsonWebKeySet;
  ending: AbortSignal;
}

async function serve(exchange: Exchange, around: Surroundings): Promise<void> {
  const record = around.faults.record(exchange.method, exchange.path);
  const fault = await around.faults.apply(exchange.method, exchange.path, around.ending);
  if (fault === "hang" || fault === "reset") {
    record.outcome = fault;
    if (fault === "reset") exchange.reset(2);
    return;
  }
  const page = (status: number, headers: Headers, body: string) => {
    record.outcome = status;
    exchange.respond(status, headers);
    if (!exchange.outgoing.destroyed) exchange.outgoing.end(body);
    // Nobody reads the request's body; unread it would keep the stream open.
    exchange.incoming.resume();
  };
  if (fault !== "none") return page(fault.status, fault.headers, fault.body);
  const name = exchange.host.endsWith(DOMAIN) ? exchange.host.slice(0, -DOMAIN.length) : "";
  const service = Object.hasOwn(around.state.services, name) ? around.state.services[name] : undefined;
  if (!service) return page(404, HTML, errorPage("404", "Page not found", exchange.path));
  const verdict = checkInvoker(exchange.headers, exchange.host, service, around.jwks);
  if (verdict.user !== undefined) record.user = verdict.user;
  if (!verdict.allowed) {
    if (verdict.status === 403) return page(403, HTML, errorPage("403", "Forbidden", exchange.path));
    return page(401, { ...HTML, "www-authenticate": CHALLENGE }, errorPage("401", "Unauthorized", exchange.path));
  }
  const timeoutMs = around.state.requestTimeoutMs;
  const upstream = {
    connections: around.connections,
    port: service.port,
    headers: towardsContainer(exchange),
    timeoutMs,
  };
  const text = { "content-type": "text/plain" };
  record.outcome = await forward(exchange, upstream, (status) => {
    page(status, text, status === 504 ? "upstream request timeout" : UNAVAILABLE);
  });
}

const HTML: Headers = { "content-type": "text/html; charset=UTF-8", server: "Google Frontend" };
const CHALLENGE = 'Bearer error="invalid_token" error_description="The access token could not be verified"';
const UNAVAILABLE = "The request failed because either the HTTP response was malformed or connection to the instance " +
  "had an error.";

function errorPage(status: string, title: string, path: string): string {
  const shown = path.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<html><head>\n<meta http-equiv="content-type" content="text/html;charset=utf-8">\n` +
    `<title>${status} ${title}</title>\n</head>\n<body text=#000000 bgcolor=#ffffff>\n<h1>Error: ${title}</h1>\n` +
    `<h2>Your client does not have permission to the requested URL <code>${shown}</code>.</h2>\n<h2></h2>\n</body></html>\n`;
}

/** The request's headers with those that the front end adds or takes the secret from. */
function towardsContainer(exchange: Exchange): Headers {
  const headers: Headers = { ...exchange.headers };
  for (const name of ["authorization", "x-serverless-authorization"]) {
    const value = headers[name];
    if (typeof value === "string") headers[name] = withoutSignature(value);
  }
  const given = /^00-([0-9a-f]{32})-[0-9a-f]{16}-0\d$/.exec(String(headers.traceparent ?? ""));
  const trace = given?.[1] ?? randomBytes(16).toString("hex");
  const span = randomBytes(8).toString("hex");
  const before = headers["x-forwarded-for"];
  return {
    ...headers,
    ":method": exchange.method,
    ":path": exchange.path,
    ":scheme": "http",
    ":authority": exchange.host,
    "x-forwarded-for": before === undefined ? exchange.clientAddress : `${before}, ${exchange.clientAddress}`,
    "x-forwarded-proto": "https",
    forwarded: `for="${exchange.clientAddress}";proto=https`,
    "x-cloud-trace-context": `${trace}/${BigInt(`0x${span}`)};o=1`,
    traceparent: `00-${trace}-${span}-01`,
  };
}
