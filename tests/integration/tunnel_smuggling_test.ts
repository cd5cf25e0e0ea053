/** Messages that two servers could read differently, and headers that only the mesh may write: what the app's socket really sees. */
import assert from "node:assert/strict";
import { ErrorCode, type Field, Http2Client, StreamReset } from "../../lib/http2/mod.ts";
import { krunTunnel } from "../../lib/tunnel/mod.ts";
import { App, readAll, writeAll } from "./tunnel_peers.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

interface World {
  port: number;
  /** The bytes of every connection that the app has had, so far. */
  seen: string[];
}

/** An app that keeps what it is sent, and answers each connection once, when `complete` has come or nothing comes any more. */
async function withApp(answer: string, complete: string, run: (world: World) => Promise<void>): Promise<void> {
  await using app = new App();
  const seen: string[] = [];
  const serving = app.serve(async (conn) => {
    const index = seen.push("") - 1;
    const buffer = new Uint8Array(65_536);
    for (;;) {
      const count = await conn.read(buffer);
      if (count === null) return;
      seen[index] += String.fromCharCode(...buffer.subarray(0, count));
      if (!seen[index]!.includes(complete)) continue;
      await writeAll(conn, new TextEncoder().encode(answer));
      if (!/\r\ncontent-length: \d/.test(answer)) return;
    }
  });
  {
    await using end = await krunTunnel.serve({ port: 0, hostname: "127.0.0.1", routes: new Map(), appPort: app.port });
    await run({ port: end.port, seen });
  }
  await app[Symbol.asyncDispose]();
  await serving;
}

async function ask(port: number, request: string): Promise<string> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(conn, Uint8Array.from(request, (character) => character.charCodeAt(0)));
  const answer = new TextDecoder().decode(await readAll(conn).catch(() => new Uint8Array()));
  conn.close();
  return answer;
}

async function askHttp2(port: number, fields: readonly Field[], body?: string): Promise<number> {
  const client = new Http2Client(await Deno.connect({ hostname: "127.0.0.1", port }));
  try {
    const { stream, answer } = client.request(fields, body === undefined, () => {});
    if (body !== undefined) {
      await stream.write(new TextEncoder().encode(body));
      stream.end();
    }
    return (await answer).status;
  } catch (error) {
    assert.ok(error instanceof StreamReset, String(error));
    return -error.code;
  } finally {
    await client.close();
  }
}

function request(changes: Record<string, string> = {}, ...more: Field[]): Field[] {
  const pseudo = { ":method": "GET", ":scheme": "https", ":path": "/", ":authority": "svc.example", ...changes };
  return [...Object.entries(pseudo).filter(([, value]) => value !== ""), ...more] as Field[];
}

Deno.test("smuggling, HTTP/1.1: what is unclear is refused before the app hears of it", async () => {
  await withApp(OK, "\r\n\r\n", async ({ port, seen }) => {
    const head = "POST / HTTP/1.1\r\nhost: a\r\n";
    for (
      const [text, status] of [
        ["GET / HTTP/1.1\r\n\r\n", 400],
        ["GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400],
        ["GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400],
        ["GET / HTTP/1.1\r\nhost: user@a\r\n\r\n", 400],
        ["GET a HTTP/1.1\r\nhost: a\r\n\r\n", 400],
        ["GET * HTTP/1.1\r\nhost: a\r\n\r\n", 400],
        ["GET ftp://a/ HTTP/1.1\r\nhost: a\r\n\r\n", 400],
        ["CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n", 405],
        ["GET /\x01 HTTP/1.1\r\nhost: a\r\n\r\n", 0],
        ["GET  / HTTP/1.1\r\nhost: a\r\n\r\n", 0],
        ["GET / HTTP/1.1 \r\nhost: a\r\n\r\n", 0],
        ["GET / HTTP/2.0\r\nhost: a\r\n\r\n", 0],
        [`${head}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
        [`${head}content-length: 3\r\ncontent-length: 3\r\n\r\nabc`, 400],
        [`${head}content-length: 3, 3\r\n\r\nabc`, 400],
        [`${head}content-length: +3\r\n\r\nabc`, 400],
        [`${head}content-length: 0x3\r\n\r\nabc`, 400],
        [`${head}content-length:\r\n\r\n`, 400],
        [`${head}content-length: ${"9".repeat(16)}\r\n\r\n`, 400],
        [`${head}transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n`, 400],
        [`${head}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 400],
        [`${head}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n`, 400],
        [`${head}transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n`, 400],
        [`${head}transfer-encoding : chunked\r\n\r\n0\r\n\r\n`, 400],
        ["POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400],
        [`${head}a: b\r\n folded\r\n\r\n`, 400],
        [`${head} a: b\r\n\r\n`, 400],
        [`${head}no colon\r\n\r\n`, 400],
        [`${head}: no name\r\n\r\n`, 400],
        [`${head}a: b\rc: d\r\n\r\n`, 400],
        [`${head}a: b\nc: d\r\n\r\n`, 400],
        [`${head}a: b\0\r\n\r\n`, 400],
        [`${head}a: b\x0bc\r\n\r\n`, 400],
        [`${head}a\x00b: c\r\n\r\n`, 400],
        [`${head}a: ${"b".repeat(70_000)}\r\n\r\n`, 431],
        [`${head}${"a: b\r\n".repeat(12_000)}\r\n`, 431],
      ] as const
    ) {
      assert.equal(Number((await ask(port, text)).split(" ")[1] ?? 0), status, JSON.stringify(text.slice(0, 80)));
    }
    assert.deepEqual(seen.filter((bytes) => bytes !== ""), [], "nothing reached the app");
    assert.match(await ask(port, `${head}expect: 200-ok\r\n\r\n`), /^HTTP\/1.1 417 /);
  });
});

Deno.test("smuggling, HTTP/1.1: a body's end is where this end found it, whatever the connection field names", async () => {
  await withApp(OK, "SMUGGLED", async ({ port, seen }) => {
    const inner = "GET /SMUGGLED HTTP/1.1\r\nhost: a\r\n\r\n";
    const answer = await ask(
      port,
      `POST /x HTTP/1.1\r\nhost: a\r\nconnection: content-length, host, x-forwarded-for, authorization, x-mine\r\n` +
        `x-forwarded-for: 192.0.2.1\r\nauthorization: b\r\nx-mine: c\r\ncontent-length: ${inner.length}\r\n\r\n${inner}`,
    );
    assert.match(answer, /^HTTP\/1.1 200 /);
    assert.equal(
      seen.at(-1),
      `POST /x HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 192.0.2.1\r\nauthorization: b\r\n` +
        `content-length: ${inner.length}\r\nconnection: close\r\n\r\n${inner}`,
    );
  });
});

Deno.test("smuggling, HTTP/1.1: a second request on the connection is nobody's", async () => {
  await withApp(OK, "\r\n\r\n", async ({ port, seen }) => {
    const answer = await ask(port, "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n");
    assert.equal(answer.match(/HTTP\/1.1/g)?.length, 1);
    assert.deepEqual(seen, ["GET /1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"]);
  });
});

Deno.test("smuggling, HTTP/1.1: the absolute form becomes origin form with its own host", async () => {
  await withApp(OK, "\r\n\r\n", async ({ port, seen }) => {
    await ask(port, "GET http://b.example:81/p?q HTTP/1.1\r\nhost: a\r\n\r\n");
    await ask(port, "GET http://b.example?q HTTP/1.1\r\nhost: a\r\n\r\n");
    await ask(port, "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n");
    assert.deepEqual(seen.map((text) => text.split("\r\n").slice(0, 2)), [
      ["GET /p?q HTTP/1.1", "host: b.example:81"],
      ["GET /?q HTTP/1.1", "host: b.example"],
      ["OPTIONS * HTTP/1.1", "host: a"],
    ]);
  });
});

Deno.test("smuggling, HTTP/1.1: chunks are cut anew, and their trailers carry nothing that the app would believe", async () => {
  await withApp(OK, "0\r\n", async ({ port, seen }) => {
    await ask(
      port,
      "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\n" +
        "x-sum: 1\r\nx-envoy-peer-metadata: a\r\nx_forwarded_client_cert: a\r\ncontent-length: 5\r\nauthorization: b\r\nhost: c\r\n\r\n",
    );
    const [head, body] = seen.at(-1)!.split(/\r\n\r\n(.*)/s);
    assert.match(head!, /\r\ntransfer-encoding: chunked/);
    assert.equal(body, "2\r\nab\r\n1\r\nc\r\n0\r\nx-sum: 1\r\n\r\n");
    for (
      const bad of [
        "g\r\n",
        "-1\r\n",
        "0x1\r\na\r\n",
        `${"0".repeat(13)}1\r\na\r\n`,
        "1\na\r\n",
        "1;\rx\r\na\r\n",
        "1\r\nab\r\n",
        `1;${"x".repeat(2_000)}\r\na\r\n`,
        "fffffffffffff\r\n",
      ]
    ) {
      const before = seen.length;
      const answer = await ask(port, `POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n${bad}0\r\n\r\n`);
      assert.match(answer, /^HTTP\/1.1 4(00|31) /, JSON.stringify(bad));
      for (const text of seen.slice(before)) assert.ok(!text.endsWith("0\r\n\r\n"), "the app never gets a body's end");
    }
  });
});

Deno.test("smuggling, HTTP/1.1: only to WebSocket can be switched: HTTP/2 on the app's connection would carry any header", async () => {
  await withApp(OK, "\r\n\r\n", async ({ port, seen }) => {
    for (const protocol of ["h2c", "H2C", "websocket, h2c", "h2c, websocket", "HTTP/2.0", "TLS/1.0"]) {
      await ask(
        port,
        `GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: ${protocol}\r\nhttp2-settings: AAA\r\n\r\n`,
      );
      assert.equal(seen.at(-1), "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", protocol);
    }
  });
});

Deno.test("smuggling, HTTP/1.1: an answer that breaks off is not completed with other bytes", async () => {
  const cut = "HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\nhalf";
  await withApp(cut.replace("content-length: 30", "Content-Length: 30"), "\r\n\r\n", async ({ port }) => {
    const answer = await ask(port, "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert.ok(answer === "" || answer.endsWith("\r\n\r\nhalf"), answer);
  });
});

Deno.test("HTTP/1.1: 100-continue is answered here; an HTTP/1.0 client gets neither 100 nor chunks", async () => {
  const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
  await withApp(chunked, "\r\n\r\n", async ({ port, seen }) => {
    const post = (version: string) =>
      `POST / HTTP/1.${version}\r\nhost: a\r\nexpect: 100-Continue\r\ncontent-length: 1\r\n\r\nx`;
    assert.match(await ask(port, post("1")), /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n[^]*\r\n0\r\n\r\n$/);
    assert.ok(!seen.at(-1)!.includes("expect"));
    assert.match(await ask(port, post("0")), /^HTTP\/1.1 200 OK\r\n(?![^]*chunked)[^]*\r\n\r\nok$/);
  });
});

Deno.test("smuggling, HTTP/2: what would become another HTTP/1.1 request is a malformed one", async () => {
  await withApp(OK, "\r\n\r\n", async ({ port, seen }) => {
    for (
      const fields of [
        request({ ":path": "/ HTTP/1.1\r\nx: y" }),
        request({ ":path": "/a b" }),
        request({ ":path": "/a\tb" }),
        request({ ":path": "/\x7f" }),
        request({ ":path": "http://other/" }),
        request({ ":path": "a" }),
        request({ ":path": "*" }),
        request({ ":method": "GET / HTTP/1.1\r\nx:" }),
        request({ ":method": "GET /smuggled" }),
        request({ ":method": "G\0T" }),
        request({ ":authority": "a\r\nx: y" }),
        request({ ":authority": "a b" }),
        request({ ":authority": "user@a" }),
        request({ ":authority": "a/b" }),
        request({ ":authority": "" }, ["host", "a"], ["host", "b"]),
        request({}, ["a", "b\r\nc: d"]),
        request({}, ["a", "b\nc"]),
        request({}, ["a", "b\0"]),
        request({}, ["a", "b\x0bc"]),
        request({}, ["a", " b"]),
        request({}, ["a b", "c"]),
        request({}, ["a:b", "c"]),
        request({}, ["a\r\nb", "c"]),
        request({}, ["", "c"]),
        request({}, ["A", "c"]),
        request({}, ["connection", "close"]),
        request({}, ["transfer-encoding", "chunked"]),
        request({}, ["upgrade", "h2c"]),
        request({}, ["te", "gzip"]),
        request({}, ["content-length", "0"], ["content-length", "0"]),
        request({}, ["content-length", "+0"]),
        request({}, ["content-length", "5"]),
        request({}, [":path", "/late"]),
      ]
    ) {
      assert.equal(await askHttp2(port, fields), -ErrorCode.PROTOCOL_ERROR, JSON.stringify(fields));
    }
    assert.equal(await askHttp2(port, request({ ":method": "POST" }, ["content-length", "2"]), "abc"), -1);
    assert.equal(await askHttp2(port, [[":method", "CONNECT"], [":authority", "a:80"]]), 405);
    assert.deepEqual(seen.filter((bytes) => bytes.includes("\r\n\r\n") && !bytes.startsWith("POST / ")), []);
  });
});

Deno.test("smuggling, HTTP/2: the app sees one host, one length and nothing that looks like them", async () => {
  await withApp(OK, "\r\n\r\nab", async ({ port, seen }) => {
    const fields = request(
      { ":method": "POST", ":path": "/p" },
      ["host", "other.example"],
      ["content_length", "0"],
      ["transfer_encoding", "chunked"],
      ["x.forwarded.client.cert", "By=spiffe://a"],
      ["content-length", "2"],
      ["x", "y"],
    );
    assert.equal(await askHttp2(port, fields, "ab"), 200);
    assert.equal(
      seen.at(-1),
      "POST /p HTTP/1.1\r\nhost: svc.example\r\nx: y\r\nconnection: close\r\ncontent-length: 2\r\n\r\nab",
    );
  });
});

Deno.test("HTTP/2: trailers reach the app without what it would believe; 100-continue is answered", async () => {
  await withApp(OK, "0\r\n", async ({ port, seen }) => {
    const client = new Http2Client(await Deno.connect({ hostname: "127.0.0.1", port }));
    const { stream, answer } = client.request(
      request({ ":method": "POST" }, ["expect", "100-continue"]),
      false,
      () => {},
    );
    await stream.write(new TextEncoder().encode("ab"));
    stream.end([["x-sum", "1"], ["x-istio-a", "b"], ["x-forwarded-client-cert", "c"], ["content-length", "9"]]);
    assert.equal((await answer).status, 200);
    assert.ok(seen.at(-1)!.endsWith("\r\n\r\n2\r\nab\r\n0\r\nx-sum: 1\r\n\r\n"), seen.at(-1)!);
    assert.ok(!seen.at(-1)!.includes("expect"));
    await client.close();
  });
});
