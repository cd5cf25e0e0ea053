import { readBody, responseFraming } from "./http1/body.ts";
import { ByteReader } from "./http1/byte_reader.ts";
import { headBytes, readResponseHead } from "./http1/head.ts";
import { closeQuietly, writeAll } from "../http2/mod.ts";

/** Envoy's admin interface on a Unix socket: no port of the host's that others could ask. */
export class EnvoyAdmin {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** @throws the runtime's error while nobody listens; an `Error` for another status than 200. */
  async ask(method: "GET" | "POST", target: string): Promise<string> {
    const conn = await Deno.connect({ transport: "unix", path: this.path });
    try {
      const length = method === "POST" ? [["content-length", "0"] as const] : [];
      await writeAll(
        conn,
        headBytes(`${method} ${target} HTTP/1.1`, [["host", "admin"], ["connection", "close"], ...length]),
      );
      const reader = new ByteReader(conn);
      const { status, fields } = await readResponseHead(reader);
      let text = "";
      const decoder = new TextDecoder();
      for await (const piece of readBody(reader, responseFraming(method, status, fields)).pieces) {
        text += decoder.decode(piece, { stream: true });
      }
      if (status !== 200) throw new Error(`${method} ${target} was answered ${status}: ${text.trim().slice(0, 200)}`);
      return text;
    } finally {
      closeQuietly(conn);
    }
  }

  /** Counters and gauges whose names match a regular expression. */
  async stats(filter: string): Promise<Map<string, number>> {
    const text = await this.ask("GET", `/stats?format=json&filter=${encodeURIComponent(filter)}`);
    const { stats } = JSON.parse(text) as { stats: { name?: string; value?: number }[] };
    return new Map(
      stats.flatMap(({ name, value }) => name && typeof value === "number" ? [[name, value] as const] : []),
    );
  }

  /** The port that a listener has got, undefined while it does not listen. */
  async listenerPort(name: string): Promise<number | undefined> {
    const { listener_statuses: listeners } = JSON.parse(await this.ask("GET", "/listeners?format=json")) as {
      listener_statuses?: { name: string; local_address?: { socket_address?: { port_value?: number } } }[];
    };
    return listeners?.find((listener) => listener.name === name)?.local_address?.socket_address?.port_value;
  }
}
