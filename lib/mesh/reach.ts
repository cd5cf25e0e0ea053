import { Problem, reasonOf } from "../base/errors.ts";
import { linked } from "../base/linked.ts";
import type { ControlPlane } from "./control_plane.ts";

/** istiod's port without TLS, https://istio.io/latest/docs/ops/deployment/application-requirements/#ports-used-by-istio. */
const CLEARTEXT = /:15010$/;

/**
 * Shakes hands with the control plane as pilot-agent would: its address, its name and its root fit together.
 * @param roots PEM; empty for the system's own
 * @throws {Problem} it does not answer, or with a certificate that these roots do not vouch for
 */
export async function requireControlPlane(
  controlPlane: Pick<ControlPlane, "xdsAddress" | "istiodName">,
  roots: string,
  options: { limitMs: number; signal?: AbortSignal | undefined },
): Promise<void> {
  const { xdsAddress, istiodName } = controlPlane;
  const [, host = xdsAddress, port = "443"] = /^\[?(.*?)\]?:(\d+)$/.exec(xdsAddress) ?? [];
  using limit = linked(options.signal); // afterwards the signal's end is nothing to us
  const timer = setTimeout(() => limit.abort(new Error(`no answer within ${options.limitMs} ms`)), options.limitMs);
  const { signal } = limit;
  let conn: Deno.Conn | undefined;
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(signal.reason);
      closeQuietly(conn); // ends a handshake that nobody answers
    }, { once: true });
  });
  stopped.catch(() => {});
  try {
    const tcp = await Promise.race([
      Deno.connect({ hostname: host, port: Number(port), signal } as Deno.ConnectOptions),
      stopped,
    ]) as Deno.TcpConn;
    conn = tcp;
    if (CLEARTEXT.test(xdsAddress)) return;
    const caCerts = roots.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
    const tls = await Deno.startTls(tcp, { hostname: istiodName ?? host, caCerts, alpnProtocols: ["h2"] });
    conn = tls;
    await Promise.race([tls.handshake(), stopped]);
  } catch (error) {
    throw new Problem({
      tried: `reach control plane ${xdsAddress}`,
      got: reasonOf(signal.aborted ? signal.reason : error),
      fix: "check IMCON_ADDR, MCON_ADDR or XDS_ADDR and CAROOT_ISTIOD in mesh-env",
    });
  } finally {
    clearTimeout(timer);
    closeQuietly(conn);
  }
}

function closeQuietly(conn: Deno.Conn | undefined): void {
  try {
    conn?.close();
  } catch { /* closed already */ }
}
