/** Paths of tunnels, as the original has them in every gate's configuration. */
export const TUNNEL_PREFIX = "/_hbone/";

/** What only krun says: 405 to every other method on a tunnel's path. */
export const OPENED_BY_POST = "a tunnel is opened by POST";

/** What to do with a request. */
export type Decision =
  | { kind: "tunnel"; port: number }
  | { kind: "app" }
  | { kind: "refuse"; status: number; text: string };

/** Decides by method and path alone; a query after a tunnel's name is no part of it. */
export function decide(method: string, path: string, routes: ReadonlyMap<string, number>): Decision {
  if (method === "CONNECT") return { kind: "refuse", status: 405, text: "no proxy: a tunnel is opened by POST\n" };
  if (!path.startsWith(TUNNEL_PREFIX)) return { kind: "app" };
  const name = path.slice(TUNNEL_PREFIX.length).split("?", 1)[0]!;
  const port = routes.get(name);
  if (port === undefined) {
    return { kind: "refuse", status: 404, text: "no such tunnel: the port is not declared (PORT_<name>)\n" };
  }
  if (method !== "POST") return { kind: "refuse", status: 405, text: `${OPENED_BY_POST}\n` };
  return { kind: "tunnel", port };
}
