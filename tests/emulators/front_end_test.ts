import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";
import { request } from "node:https";
import { type CertificateAuthority, createAuthority } from "./certificates.ts";
import { type CloudRunService, type FrontEndEmulator, startFrontEnd } from "./front_end.ts";
import { createSigner } from "./json_web_token.ts";

const authority = createAuthority("emulated public CA");
const signer = createSigner();

function idToken(claims: Record<string, unknown> = {}): string {
  const now = Math.floor(Date.now() / 1000);
  const usual = { iss: "https://accounts.google.com", aud: "https://hello.a.run.app", iat: now, exp: now + 3600 };
  return signer.sign({ ...usual, email: "gate@demo-project.iam.gserviceaccount.com", ...claims });
}

/** A container that echoes; `/headers` answers with the request's headers. */
function startContainer() {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/headers") {
      return Response.json({ ...Object.fromEntries(request.headers), url: request.url });
    }
    if (pathname === "/slow") await new Promise((resolve) => setTimeout(resolve, 400));
    return new Response(request.body, { headers: { "x-answered": request.method } });
  });
  return { port: server.addr.port, [Symbol.asyncDispose]: () => server.shutdown() };
}

function start(service: Partial<CloudRunService>, port: number): Promise<FrontEndEmulator> {
  return startFrontEnd({ authority, jwks: signer.jwks, services: { hello: { port, ...service } } });
}

interface Connected extends AsyncDisposable {
  session: ClientHttp2Session;
}

function open(frontEnd: FrontEndEmulator, ca: CertificateAuthority = authority): Connected {
  const session = connect(`https://${frontEnd.host}`, { ca: ca.certificatePem, servername: "hello.a.run.app" });
  session.on("error", () => {});
  const dispose = () =>
    new Promise<void>((resolve) => {
      if (session.destroyed) return resolve();
      session.once("close", () => resolve());
      session.destroy();
    });
  return { session, [Symbol.asyncDispose]: dispose };
}

interface Received {
  headers: IncomingHttpHeaders;
  body: Buffer;
  resetCode: number;
}

function send(
  { session }: Connected,
  headers: Record<string, string>,
  body: Uint8Array = new Uint8Array(),
): Promise<Received> {
  return new Promise((resolve) => {
    const received: Received = { headers: {}, body: Buffer.alloc(0), resetCode: 0 };
    const chunks: Uint8Array[] = [];
    const fixed = { ":method": "POST", ":scheme": "https", ":authority": "hello.a.run.app", ":path": "/echo" };
    const stream = session.request({ ...fixed, ...headers }, { endStream: false });
    stream.on("response", (answer) => received.headers = answer);
    stream.on("data", (chunk: Uint8Array) => chunks.push(Buffer.from(chunk)));
    stream.on("error", () => {});
    stream.on("close", () => resolve({ ...received, body: Buffer.concat(chunks), resetCode: stream.rstCode }));
    stream.end(body);
  });
}

Deno.test("front end: carries 1 MiB each way, several at a time", async () => {
  await using container = startContainer();
  await using frontEnd = await start({}, container.port);
  await using client = open(frontEnd);
  frontEnd.faults.add({ match: /./, times: 1, delayMs: 50 });
  const body = new Uint8Array(1024 * 1024).map((_, index) => (index * 31) % 251);
  const authorization = `Bearer ${idToken()}`;
  const answers = await Promise.all([1, 2, 3].map(() => send(client, { authorization }, body)));
  for (const answer of answers) {
    assert.deepEqual([answer.headers[":status"], answer.headers["x-answered"], answer.resetCode], [200, "POST", 0]);
    assert.ok(answer.body.equals(body));
  }
  assert.equal(frontEnd.faults.requests[0]?.user, "gate@demo-project.iam.gserviceaccount.com");
  assert.equal(JSON.stringify(frontEnd.faults.requests).includes("eyJ"), false);
});

Deno.test("front end: adds its headers and takes the token's signature away", async () => {
  await using container = startContainer();
  await using frontEnd = await start({}, container.port);
  await using client = open(frontEnd);
  const token = idToken();
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const answer = await send(client, {
    ":path": "/headers",
    authorization: `Bearer ${token}`,
    "x-forwarded-for": "192.0.2.7",
    traceparent: `00-${trace}-b7ad6b7169203331-01`,
  });
  const seen = JSON.parse(answer.body.toString());
  assert.equal(seen.authorization, `Bearer ${token.split(".").slice(0, 2).join(".")}.SIGNATURE_REMOVED_BY_GOOGLE`);
  assert.equal(seen["x-forwarded-for"], "192.0.2.7, 127.0.0.1");
  assert.equal(seen["x-forwarded-proto"], "https");
  assert.equal(seen.forwarded, 'for="127.0.0.1";proto=https');
  assert.match(seen["x-cloud-trace-context"], new RegExp(`^${trace}/\\d+;o=1$`));
  assert.match(seen.traceparent, new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
  assert.equal(seen.url, "http://hello.a.run.app/headers");
});

Deno.test("front end: 401, 403 and 404 are HTML pages, and the container sees nothing", async () => {
  await using frontEnd = await start({ invokers: ["someone@example.com"] }, 1);
  await using client = open(frontEnd);
  const refused = async (headers: Record<string, string>) => {
    const answer = await send(client, headers);
    assert.match(String(answer.headers["content-type"]), /^text\/html/);
    return answer.headers[":status"];
  };
  const foreign = createSigner().sign({
    iss: "https://accounts.google.com",
    aud: "https://hello.a.run.app",
    exp: 2 ** 32,
  });
  const bad = [
    idToken({ aud: "https://other.a.run.app" }),
    idToken({ exp: Math.floor(Date.now() / 1000) - 1 }),
    idToken({ iss: "https://example.com" }),
    foreign,
    "ya29.access-token",
  ];
  assert.equal(await refused({}), 401);
  for (const token of bad) assert.equal(await refused({ authorization: `Bearer ${token}` }), 401);
  assert.equal(await refused({ authorization: `Bearer ${idToken()}` }), 403);
  assert.equal(await refused({ ":authority": "unknown.a.run.app" }), 404);
});

Deno.test("front end: unauthenticated services, custom audiences, 503 without a container", async () => {
  await using container = startContainer();
  await using frontEnd = await start({ allowUnauthenticated: true }, container.port);
  await using client = open(frontEnd);
  assert.equal((await send(client, {})).headers[":status"], 200);
  frontEnd.state.services.hello = { port: container.port, customAudiences: ["mesh"] };
  const authorization = `Bearer ${idToken({ aud: "mesh" })}`;
  assert.equal((await send(client, { authorization })).headers[":status"], 200);
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  frontEnd.state.services.hello = { port, allowUnauthenticated: true };
  const answer = await send(client, {});
  assert.equal(answer.headers[":status"], 503);
  assert.match(answer.body.toString(), /connection to the instance had an error/);
});

Deno.test("front end: 504 at the request timeout", async () => {
  await using container = startContainer();
  await using frontEnd = await start({ allowUnauthenticated: true }, container.port);
  frontEnd.state.requestTimeoutMs = 100;
  await using client = open(frontEnd);
  assert.equal((await send(client, { ":path": "/slow" })).headers[":status"], 504);
});

Deno.test("front end: the next container gets a connection of its own", async () => {
  await using frontEnd = await start({ allowUnauthenticated: true }, 1);
  await using client = open(frontEnd);
  for (let instance = 0; instance < 2; instance++) {
    await using container = startContainer();
    frontEnd.state.services.hello = { port: container.port, allowUnauthenticated: true };
    assert.equal((await send(client, {})).headers[":status"], 200);
  }
});

Deno.test("front end: HTTP/1.1 clients", async () => {
  await using container = startContainer();
  await using frontEnd = await start({}, container.port);
  const text = await new Promise<string>((resolve, reject) => {
    const outgoing = request({
      host: "127.0.0.1",
      port: frontEnd.port,
      servername: "hello.a.run.app",
      ca: authority.certificatePem,
      method: "POST",
      path: "/echo",
      headers: { host: "hello.a.run.app", authorization: `Bearer ${idToken()}`, connection: "close" },
    }, (incoming) => {
      let body = "";
      incoming.on("data", (chunk) => body += chunk);
      incoming.on("end", () => resolve(`${incoming.statusCode} ${incoming.headers["x-answered"]} ${body}`));
    });
    outgoing.on("error", reject);
    outgoing.end("hello");
  });
  assert.equal(text, "200 POST hello");
});
