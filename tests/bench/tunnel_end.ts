/**
 * A tunnel end in a process of its own, for the benchmark. Arguments: kind, the app's port, and how many threads krun's takes.
 * `krun` is ours; `deno-serve` and `node-http2` are what it was measured against: each as short as it can be, neither exact in how streams end.
 */
import http2 from "node:http2";
import net from "node:net";
import { krunTunnel } from "../../lib/tunnel/mod.ts";

const [kind, appPort] = [Deno.args[0], Number(Deno.args[1])];

if (kind === "krun") {
  const workers = Number(Deno.args[2] ?? 1);
  const routes = new Map([["app", appPort]]);
  const end = await krunTunnel.serve({ port: 0, hostname: "127.0.0.1", routes, appPort, workers });
  print(end.port);
  await end.ended;
}

if (kind === "deno-serve") {
  Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: ({ port }) => print(port) }, async (request) => {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: appPort });
    conn.setNoDelay(true);
    request.body?.pipeTo(conn.writable, { preventClose: true }).then(() => conn.closeWrite()).catch(() => {});
    return new Response(conn.readable);
  });
}

if (kind === "node-http2") {
  const server = http2.createServer();
  server.on("stream", (opened) => {
    const stream = opened as http2.ServerHttp2Stream;
    const socket = net.connect({ host: "127.0.0.1", port: appPort, noDelay: true, allowHalfOpen: true });
    stream.on("error", () => socket.destroy());
    socket.on("error", () => stream.destroy());
    if (!stream.destroyed) stream.respond({ ":status": 200 });
    stream.pipe(socket);
    socket.pipe(stream);
  });
  server.on("sessionError", () => {});
  server.listen(0, "127.0.0.1", () => print((server.address() as net.AddressInfo).port));
}

function print(port: number): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${port}\n`));
}
