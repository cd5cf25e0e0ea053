/**
 * Front end in https, front end in the clear, TCP peer, and the same inside TLS, in one process. Arguments: bytes to send, directory for
 * the roots. Prints four ports.
 */
import { createAuthority } from "../emulators/certificates.ts";
import { serveHttp2, serveTcp } from "./gate_peers.ts";

const sendBytes = Number(Deno.args[0]);
const authority = createAuthority("bench");
const leaf = authority.issue({ commonName: "localhost", subjectAltNames: ["localhost", "127.0.0.1"] });
await Deno.writeTextFile(`${Deno.args[1]}/roots.pem`, authority.certificatePem);

const local = { hostname: "127.0.0.1", port: 0 };
const key = { cert: leaf.certificatePem, key: leaf.privateKeyPem };
const https = Deno.listenTls({ ...local, ...key, alpnProtocols: ["h2"] });
const http = Deno.listen(local);
const tcp = Deno.listen(local);
const tls = Deno.listenTls({ ...local, ...key });
const ports = [https, http, tcp, tls].map((listener) => (listener.addr as Deno.NetAddr).port);
Deno.stdout.writeSync(new TextEncoder().encode(`${ports.join(" ")}\n`));

void accept(https, (conn) => serveHttp2(conn, sendBytes));
void accept(http, (conn) => serveHttp2(conn, sendBytes));
void accept(tcp, (conn) => serveTcp(conn, sendBytes));
void accept(tls, (conn) => serveTcp(conn, sendBytes));

async function accept<C extends Deno.TcpConn | Deno.TlsConn>(
  listener: { accept(): Promise<C> },
  serve: (conn: C) => Promise<void>,
): Promise<void> {
  for (;;) {
    const conn = await listener.accept();
    if ("setNoDelay" in conn) conn.setNoDelay(true);
    serve(conn).catch(() => {}).finally(() => {
      try {
        conn.close();
      } catch {
        // Closed already.
      }
    });
  }
}
