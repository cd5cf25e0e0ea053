/**
 * An app that counts what it has accepted, and says so when it has ended in order. HTTP on PORT: `/count` answers after 50 ms,
 * `/crash` ends it with code 7, `/hang` lets it ignore SIGTERM, `/allocate` takes memory until there is none. On LINES_PORT each
 * line is answered with itself.
 */
const ANSWER_MS = 50;
const counts = { requests: 0, lines: 0 };
const listener = Deno.listen({ port: Number(Deno.env.get("LINES_PORT") ?? 9000) });
const conversations = new Set<Promise<void>>();
let ending = false;
let hangs = false;

const server = Deno.serve({ port: Number(Deno.env.get("PORT") ?? 8080), onListen: () => {} }, async (request) => {
  switch (new URL(request.url).pathname) {
    case "/count":
      counts.requests++;
      await pause(ANSWER_MS);
      return new Response("counted\n");
    case "/crash":
      return Deno.exit(7);
    case "/hang":
      hangs = true;
      return new Response("hanging\n");
    case "/allocate":
      for (const kept: Uint8Array[] = [];;) kept.push(new Uint8Array(16 << 20).fill(1));
    default:
      return new Response("ready\n");
  }
});

Deno.addSignalListener("SIGTERM", async () => {
  if (hangs || ending) return;
  ending = true;
  listener.close();
  await server.shutdown();
  await Promise.all(conversations);
  Deno.stdout.writeSync(new TextEncoder().encode(`accepted ${counts.requests} requests and ${counts.lines} lines\n`));
  Deno.exit(0);
});

for await (const connection of listener) {
  const done = converse(connection).catch(() => {}).finally(() => conversations.delete(done));
  conversations.add(done);
}

/** Answers line by line; when the app ends, what was read is answered and the conversation is over. */
async function converse(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(4096);
  let held = "";
  while (!ending) {
    const size = await connection.read(buffer);
    if (size === null) break;
    held += new TextDecoder().decode(buffer.subarray(0, size));
    const lines = held.split("\n");
    held = lines.pop()!;
    for (const line of lines) {
      counts.lines++;
      await pause(ANSWER_MS);
      await connection.write(new TextEncoder().encode(`${line}\n`));
    }
  }
  await connection.closeWrite();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
