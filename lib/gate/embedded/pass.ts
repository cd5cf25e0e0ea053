import { reasonOf } from "../../base/errors.ts";
import type { PassRoute } from "../route.ts";
import { carry, type CarryWatch } from "./carry.ts";
import { connectTcp, within } from "./dial.ts";
import { TcpEnd } from "./end.ts";
import type { TunnelEnded } from "./tunnel.ts";

const CONNECT_TIMEOUT_MS = 5_000;

/** Carries a client's connection to an address in the cluster until both have ended. Never throws. */
export async function pass(parts: {
  mesh: TcpEnd;
  /** What the client has said: its ClientHello. */
  first: Uint8Array;
  route: PassRoute;
  watch: CarryWatch;
  /** Aborted to end it at once. */
  signal: AbortSignal;
}): Promise<TunnelEnded> {
  const { mesh, route, watch, signal } = parts;
  signal.addEventListener("abort", () => mesh.reset());
  let conn: Deno.TcpConn;
  try {
    conn = await within(connectTcp(route.host, route.port), CONNECT_TIMEOUT_MS, (late) => late.close());
  } catch (error) {
    mesh.reset();
    return { result: "unreachable", reason: reasonOf(error) };
  }
  const far = new TcpEnd(conn);
  const cut = () => far.reset();
  signal.addEventListener("abort", cut);
  if (signal.aborted) cut();
  try {
    await far.write(parts.first);
    watch.in(parts.first.length);
    parts.first = new Uint8Array();
    await carry(mesh, far, watch);
  } catch {
    mesh.reset(); // it was reset at once
  } finally {
    mesh.close();
    far.close();
  }
  return { result: "ok" };
}
