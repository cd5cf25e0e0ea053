import { reasonOf } from "../../base/errors.ts";
import { linked } from "../../base/linked.ts";

/** What a TCP port does with a connection from here. */
export interface TcpLook {
  /** `10.0.0.9:15442` */
  address: string;
  /** `refused`: somebody said so, thus the address is routed; `silent`: nobody did. */
  outcome: "open" | "refused" | "silent";
  /** In the system's words, where it is not open. */
  why?: string;
}

/** Never throws: no answer within the limit is an outcome too. */
export async function lookAtPort(host: string, port: number, limitMs: number, signal: AbortSignal): Promise<TcpLook> {
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  using limit = linked(signal);
  const timer = setTimeout(() => limit.abort(new Error("silent")), limitMs);
  try {
    (await Deno.connect({ hostname: host, port, signal: limit.signal } as Deno.ConnectOptions)).close();
    return { address, outcome: "open" };
  } catch (error) {
    if (limit.signal.aborted) return { address, outcome: "silent", why: `no answer within ${limitMs} ms` };
    const isRefused = error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.ConnectionReset;
    const why = reasonOf(error).replace(/ \(os error \d+\)$/, "");
    return { address, outcome: isRefused ? "refused" : "silent", why };
  } finally {
    clearTimeout(timer);
  }
}
