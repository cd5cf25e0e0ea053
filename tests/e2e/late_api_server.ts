import { parse, stringify } from "yaml";
import { createAuthority } from "../emulators/certificates.ts";
import { startHttpServer } from "../emulators/http_server.ts";
import { relay } from "./relay.ts";

/** An API server that hands every request on to another one, `delayMs` late. */
export interface LateApiServer extends AsyncDisposable {
  /** The kubeconfig that was given, with this server in the place of its own. */
  kubeconfig: string;
}

/**
 * @param kubeconfig with one cluster
 * @param address of this machine, as callers see it
 */
export async function lateApiServer(kubeconfig: string, address: string, delayMs: number): Promise<LateApiServer> {
  const config = parse(kubeconfig);
  const { cluster } = config.clusters[0];
  const authority = createAuthority("late API server");
  const client = Deno.createHttpClient({ caCerts: [atob(cluster["certificate-authority-data"])] });
  const { certificatePem, privateKeyPem } = authority.issue({ commonName: address, subjectAltNames: [address] });
  await using made = new AsyncDisposableStack();
  made.defer(() => client.close());
  const server = made.use(
    await startHttpServer({
      tls: { certificatePem, privateKeyPem, clientCaPem: authority.certificatePem },
      async handle({ method, url, headers, body }) {
        const answer = await fetch(cluster.server + url.pathname + url.search, {
          method,
          headers: { authorization: headers["authorization"] ?? "", "content-type": headers["content-type"] ?? "" },
          ...(body.length > 0 ? { body: Uint8Array.from(body) } : {}),
          client,
        });
        return { status: answer.status, headers: { "content-type": "application/json" }, body: await answer.text() };
      },
    }),
  );
  if (delayMs > 0) server.faults.add({ match: /./, delayMs });
  const outside = made.use(relay(server.port));
  config.clusters[0].cluster = {
    server: `https://${address}:${outside.port}`,
    "certificate-authority-data": btoa(authority.certificatePem),
  };
  const all = made.move();
  return { kubeconfig: stringify(config), [Symbol.asyncDispose]: () => all.disposeAsync() };
}
