import fc from "fast-check";
import assert from "node:assert/strict";
import { connect as connectNodeTls } from "node:tls";
import { checkHonest, checkHostile, honestInputs, hostileInputs } from "../../tests/fuzz/client_hello_inputs.ts";
import { clientHello, helloMessage, type HelloParts, records, vector } from "../../tests/integration/gate_hello.ts";
import { ClientHelloReader, type HelloFault, type HelloState } from "./client_hello.ts";

function read(bytes: Uint8Array): HelloState {
  return new ClientHelloReader().take(bytes);
}

const WEB = "outbound_.8080_._.web.prod.svc.cluster.local";

const UNDERSTOOD: readonly { name: string; parts: HelloParts; serverName?: string }[] = [
  { name: "Istio's", parts: { serverName: WEB, alpn: ["istio-peer-exchange", "istio"] }, serverName: WEB },
  { name: "a plain host name", parts: { serverName: "web.prod.svc" }, serverName: "web.prod.svc" },
  { name: "upper case", parts: { serverName: "Web.PROD.svc" }, serverName: "web.prod.svc" },
  { name: "a final dot", parts: { serverName: "web.prod.svc." }, serverName: "web.prod.svc" },
  { name: "no server name", parts: { alpn: ["h2", "http/1.1"] } },
  { name: "no extensions", parts: { noExtensions: true } },
  {
    name: "extensions that nobody knows",
    parts: {
      serverName: "a",
      extensions: [{ type: 0x0a0a, content: new Uint8Array() }, { type: 0xfe0d, content: new Uint8Array(239) }],
    },
    serverName: "a",
  },
];

for (const { name, parts, serverName } of UNDERSTOOD) {
  Deno.test(`ClientHello: ${name}`, () => {
    assert.deepEqual(read(clientHello(parts)), { kind: "hello", serverName, alpn: parts.alpn ?? [] });
  });
}

const nameExtension = (content: Uint8Array) => clientHello({ extensions: [{ type: 0, content }] });
const named = (kind: number, text: string) => new Uint8Array([kind, ...vector(2, new TextEncoder().encode(text))]);
const message = helloMessage({ serverName: "a" });
const large = { type: 21, content: new Uint8Array(16_400) };

const MALFORMED: readonly { name: string; bytes: Uint8Array; reason: HelloFault }[] = [
  { name: "HTTP", bytes: new TextEncoder().encode("GET /"), reason: "not TLS" },
  { name: "SSL 2", bytes: Uint8Array.of(0x80, 0x2e, 1, 3, 1), reason: "not TLS" },
  { name: "TLS 4", bytes: Uint8Array.of(22, 4, 0), reason: "not TLS" },
  { name: "an empty record", bytes: Uint8Array.of(22, 3, 1, 0, 0), reason: "a record of no or too many bytes" },
  { name: "a large record", bytes: Uint8Array.of(22, 3, 1, 0x40, 1), reason: "a record of no or too many bytes" },
  { name: "a ServerHello", bytes: records(Uint8Array.of(2, 0, 0, 0)), reason: "not a ClientHello" },
  {
    name: "an alert in the middle",
    bytes: new Uint8Array([...records(message.subarray(0, 20)), 21, 3, 1, 0, 2, 1, 0]),
    reason: "another record inside the ClientHello",
  },
  { name: "16 KiB announced", bytes: records(Uint8Array.of(1, 0, 0x40, 0)), reason: "longer than 16 KiB" },
  { name: "16 KiB sent", bytes: clientHello({ extensions: [large] }), reason: "longer than 16 KiB" },
  {
    name: "a megabyte of records of one byte",
    bytes: records(new Uint8Array(4_000).fill(1), 1),
    reason: "longer than 16 KiB",
  },
  { name: "a short message", bytes: records(Uint8Array.of(1, 0, 0, 2, 3, 3)), reason: "lengths that do not fit" },
  {
    name: "an extension twice",
    bytes: clientHello({ serverName: "a", extensions: [{ type: 0, content: vector(2, named(0, "b")) }] }),
    reason: "the same extension twice",
  },
  {
    name: "an empty list of names",
    bytes: nameExtension(vector(2, new Uint8Array())),
    reason: "lengths that do not fit",
  },
  {
    name: "two names",
    bytes: nameExtension(vector(2, new Uint8Array([...named(0, "a"), ...named(0, "b")]))),
    reason: "lengths that do not fit",
  },
  {
    name: "a name of another kind",
    bytes: nameExtension(vector(2, named(1, "a"))),
    reason: "a server name that is no host name",
  },
  ...["", ".", "a..b", ".a", "a\0b", "a b", "ä", "a/b", "a".repeat(401)].map((text) => ({
    name: `the name ${JSON.stringify(text.slice(0, 9))}`,
    bytes: clientHello({ serverName: text }),
    reason: "a server name that is no host name" as const,
  })),
  {
    name: "protocols without an end",
    bytes: clientHello({ extensions: [{ type: 16, content: Uint8Array.of(0, 3, 9, 9, 9) }] }),
    reason: "lengths that do not fit",
  },
  {
    name: "an empty protocol",
    bytes: clientHello({ extensions: [{ type: 16, content: Uint8Array.of(0, 1, 0) }] }),
    reason: "lengths that do not fit",
  },
];

for (const { name, bytes, reason } of MALFORMED) {
  Deno.test(`ClientHello: ${name} is refused: ${reason}`, () => {
    assert.deepEqual(read(bytes), { kind: "malformed", reason });
  });
}

Deno.test("ClientHello: every part of one waits for more, whole or byte by byte", () => {
  const bytes = clientHello({ serverName: WEB, alpn: ["istio"] });
  const reader = new ClientHelloReader();
  for (let length = 0; length < bytes.length; length++) {
    assert.deepEqual(read(bytes.subarray(0, length)), { kind: "more" });
    if (length > 0) assert.deepEqual(reader.take(bytes.subarray(length - 1, length)), { kind: "more" });
  }
  assert.equal(reader.take(bytes.subarray(-1)).kind, "hello");
  assert.deepEqual(reader.bytes, bytes);
});

/** The first bytes that `start` sends to a port. */
async function firstBytesOf(start: (port: number) => void | Promise<void>): Promise<HelloState> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const started = start((listener.addr as Deno.NetAddr).port);
  using conn = await listener.accept();
  const reader = new ClientHelloReader();
  const buffer = new Uint8Array(700); // several pieces
  let state: HelloState = { kind: "more" };
  while (state.kind === "more") {
    const count = await conn.read(buffer);
    assert.ok(count, "the client left");
    state = reader.take(buffer.subarray(0, count));
  }
  conn.close();
  await started;
  return state;
}

Deno.test("ClientHello: Deno's own", async () => {
  const state = await firstBytesOf(async (port) => {
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
    const tls = await Deno.startTls(tcp, { hostname: "web.prod.svc", alpnProtocols: ["h2", "istio"] });
    await tls.handshake().catch(() => {});
    tls.close();
  });
  assert.deepEqual(state, { kind: "hello", serverName: "web.prod.svc", alpn: ["h2", "istio"] });
});

Deno.test("ClientHello: node:tls's", async () => {
  const state = await firstBytesOf((port) =>
    new Promise((resolve) => {
      const options = { host: "127.0.0.1", port, servername: "web.prod.svc", ALPNProtocols: ["istio"] };
      connectNodeTls(options).on("error", () => {}).on("close", () => resolve());
    })
  );
  assert.deepEqual(state, { kind: "hello", serverName: "web.prod.svc", alpn: ["istio"] });
});

const openssl = await new Deno.Command("openssl", { args: ["version"], stdout: "null", stderr: "null" }).output()
  .then(({ success }) => success, () => false);

for (const version of ["-tls1", "-tls1_2", "-tls1_3"]) {
  Deno.test({
    name: `ClientHello: openssl's, ${version}`,
    ignore: !openssl,
    async fn() {
      const state = await firstBytesOf(async (port) => {
        const args = ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", WEB, "-alpn", "istio,h2", version];
        const quiet = { stdin: "null", stdout: "null", stderr: "null" } as const;
        await new Deno.Command("openssl", { args: [...args, "-cipher", "DEFAULT:@SECLEVEL=0"], ...quiet }).output();
      });
      assert.deepEqual(state, { kind: "hello", serverName: WEB, alpn: ["istio", "h2"] });
    },
  });
}

Deno.test("ClientHello: 2,000 honest ones are understood, however they are cut", () => {
  fc.assert(fc.property(honestInputs, checkHonest), { numRuns: 2_000 });
});

Deno.test("ClientHello: 8,000 wrong ones are told from right ones the same way however they are cut, and never throw", () => {
  fc.assert(fc.property(hostileInputs, checkHostile), { numRuns: 8_000 });
});
