/** What the tunnel benchmark does to an end, by the project's own HTTP/2 in this process or by a program of another's. */
import { Http2Client, type Http2Stream } from "../../lib/http2/mod.ts";

/** One measurement of one end; bytes are those through the tunnel. */
export interface Load {
  /** Bytes a second through `connections` at once, `sizeBytes` over each. */
  throughput(port: number, direction: "down" | "up", sizeBytes: number, connections: number): Promise<number>;
  /** Median of a message of 4 bytes there and back. */
  roundTripUs(port: number): Promise<number>;
  /** Tunnels opened, used once and closed. */
  shortTunnels(port: number, connections: number): Promise<{ perSecond: number; failed: number }>;
}

const PATH = "/_hbone/app";
const ROUND_TRIPS = 5_000;
const SHORT_MS = 3_000;
const SHORT_AT_ONCE = 16;
const PIECE_BYTES = 131_072;

export const ownLoad: Load = {
  async throughput(port, direction, sizeBytes, connections) {
    return await together(port, connections, async (client) => {
      const stream = await open(client, direction === "down" ? "S" : "R");
      if (direction === "up") {
        const piece = new Uint8Array(PIECE_BYTES);
        for (let sent = 0; sent < sizeBytes; sent += piece.length) await stream.write(piece);
      }
      stream.end(); // some ends end a tunnel only when its client has
      const received = await readToEnd(stream);
      const wanted = direction === "down" ? sizeBytes : "done".length;
      if (received !== wanted) throw new Error(`${received} of ${wanted} bytes arrived`);
      return sizeBytes;
    });
  },

  async roundTripUs(port) {
    const client = await connect(port);
    const stream = await open(client, "E");
    const times: number[] = [];
    for (let i = 0; i < ROUND_TRIPS; i++) {
      const startMs = performance.now();
      await pingPong(stream);
      times.push((performance.now() - startMs) * 1_000);
    }
    await client.close();
    return times.sort((a, b) => a - b)[ROUND_TRIPS / 2]!;
  },

  async shortTunnels(port, connections) {
    const stopMs = performance.now() + SHORT_MS;
    let failed = 0;
    const perSecond = await together(port, connections, async (client) => {
      let count = 0;
      await Promise.all(Array.from({ length: SHORT_AT_ONCE / connections }, async () => {
        for (; performance.now() < stopMs; count++) {
          const stream = await open(client, "E");
          await pingPong(stream);
          stream.end();
          await readToEnd(stream).catch(() => failed++);
        }
      }));
      return count;
    });
    return { perSecond, failed };
  },
};

/**
 * Another's load generator. `command` is its command line with `{url}`, `{mode}` (down, up, rtt, streams), `{bytes}`, `{streams}` and
 * `{seconds}`; it prints `… 812 MB/s`, `… p50 140 …` or `streams/s 3270 fails 0 …`. Several connections are as many of it at once.
 */
export function loadByCommand(command: string): Load {
  const run = async (port: number, mode: string, bytes: number, streams: number, wanted: RegExp): Promise<number[]> => {
    const [program, ...args] = filled(command, {
      url: `http://127.0.0.1:${port}${PATH}`,
      mode,
      bytes: String(bytes),
      streams: String(streams),
      seconds: String(SHORT_MS / 1_000),
    });
    const { stdout, stderr } = await new Deno.Command(program!, { args, stderr: "piped" }).output();
    const [text, complaint] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    const found = wanted.exec(text!);
    if (!found) throw new Error(`${mode} by ${program}: ${text}${complaint}`);
    return found.slice(1).map(Number);
  };
  return {
    async throughput(port, direction, sizeBytes, connections) {
      const all = Array.from({ length: connections }, () => run(port, direction, sizeBytes, 1, /([\d.]+) MB\/s/));
      return (await Promise.all(all)).reduce((sum, [megabytes]) => sum + megabytes! * 1e6, 0);
    },
    async roundTripUs(port) {
      return (await run(port, "rtt", 0, 1, /p50 ([\d.]+)/))[0]!;
    },
    async shortTunnels(port, connections) {
      const each = SHORT_AT_ONCE / connections;
      const all = Array.from(
        { length: connections },
        () => run(port, "streams", 0, each, /streams\/s ([\d.]+) fails (\d+)/),
      );
      const results = await Promise.all(all);
      return {
        perSecond: results.reduce((sum, [perSecond]) => sum + perSecond!, 0),
        failed: results.reduce((sum, [, failed]) => sum + failed!, 0),
      };
    },
  };
}

/** Opens tunnels that say nothing more after one message, `perConnection` on each; they stay until `close`. */
export class IdleTunnels {
  readonly #clients: Http2Client[] = [];

  async add(port: number, tunnels: number, perConnection: number): Promise<void> {
    for (let i = 0; i < tunnels; i += perConnection) {
      const client = await connect(port);
      this.#clients.push(client);
      const streams = await Promise.all(Array.from({ length: perConnection }, () => open(client, "E")));
      await Promise.all(streams.map(pingPong));
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}

/** The words of a command line, each `{name}` in them replaced. */
export function filled(command: string, values: Readonly<Record<string, string>>): string[] {
  return command.trim().split(/\s+/).map((word) => word.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all));
}

/** What `run` returns, summed over all connections, a second. */
async function together(
  port: number,
  connections: number,
  run: (client: Http2Client) => Promise<number>,
): Promise<number> {
  const clients = await Promise.all(Array.from({ length: connections }, () => connect(port)));
  const startMs = performance.now();
  const amounts = await Promise.all(clients.map(run));
  const seconds = (performance.now() - startMs) / 1_000;
  await Promise.all(clients.map((client) => client.close()));
  return amounts.reduce((sum, amount) => sum + amount, 0) / seconds;
}

async function connect(port: number): Promise<Http2Client> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  conn.setNoDelay(true);
  return new Http2Client(conn);
}

async function open(client: Http2Client, order: "S" | "R" | "E"): Promise<Http2Stream> {
  const fields = [[":method", "POST"], [":scheme", "http"], [":path", PATH], [":authority", "bench"]] as const;
  const { stream, answer } = client.request(fields, false, () => {});
  const { status } = await answer;
  if (status !== 200) throw new Error(`answered ${status}`);
  await stream.write(new TextEncoder().encode(order));
  return stream;
}

async function pingPong(stream: Http2Stream): Promise<void> {
  await stream.write(new Uint8Array(4));
  for (let got = 0; got < 4;) {
    const bytes = await stream.read();
    if (!bytes) throw new Error("ended early");
    got += bytes.length;
    stream.taken(bytes.length);
  }
}

async function readToEnd(stream: Http2Stream): Promise<number> {
  let received = 0;
  for (let bytes = await stream.read(); bytes; bytes = await stream.read()) {
    received += bytes.length;
    stream.taken(bytes.length);
  }
  return received;
}
