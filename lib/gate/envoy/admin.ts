import { request } from "node:http";

const TIMEOUT_MS = 5_000;

/** Envoy's admin interface on a Unix socket: no port that others could ask. */
export class EnvoyAdmin {
  constructor(readonly path: string) {}

  /** @throws the runtime's error while nobody listens; an `Error` for another status than 200 */
  async ask(method: "GET" | "POST", target: string): Promise<string> {
    // The platform's fetch speaks to a Unix socket as to a proxy, with absolute targets, which Envoy's admin interface does not know.
    const { status, text } = await exchange(this.path, method, target);
    if (status !== 200) throw new Error(`${method} ${target} was answered ${status}: ${text.trim().slice(0, 200)}`);
    return text;
  }

  /** Counters and gauges whose names match a regular expression. */
  async stats(filter = ""): Promise<Map<string, number>> {
    const text = await this.ask("GET", `/stats?filter=${encodeURIComponent(filter)}`);
    const stats = new Map<string, number>();
    for (const line of text.split("\n")) {
      const at = line.lastIndexOf(": ");
      const value = Number(line.slice(at + 2));
      if (at > 0 && Number.isFinite(value)) stats.set(line.slice(0, at), value);
    }
    return stats;
  }

  /** Ports of the listeners that listen, by name. */
  async listenerPorts(): Promise<Map<string, number>> {
    const { listener_statuses = [] } = JSON.parse(await this.ask("GET", "/listeners?format=json")) as {
      listener_statuses?: { name: string; local_address?: { socket_address?: { port_value?: number } } }[];
    };
    return new Map(listener_statuses.flatMap(({ name, local_address }) => {
      const port = local_address?.socket_address?.port_value;
      return port ? [[name, port] as const] : [];
    }));
  }

  /** True when it accepts connections: listeners are shown earlier. */
  async isReady(): Promise<boolean> {
    return (await this.ask("GET", "/ready")).startsWith("LIVE");
  }
}

function exchange(socketPath: string, method: string, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const options = {
      socketPath,
      method,
      path,
      agent: false,
      timeout: TIMEOUT_MS,
      headers: { host: "admin" },
    } as const;
    const asked = request(options, (response) => {
      const pieces: string[] = [];
      response.setEncoding("utf8");
      response.on("data", (piece: string) => pieces.push(piece));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text: pieces.join("") }));
      response.on("error", reject);
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer after ${TIMEOUT_MS} ms`)));
    asked.on("error", reject);
    asked.end();
  });
}
