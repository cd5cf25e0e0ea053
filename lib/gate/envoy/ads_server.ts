import { Problem } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import { AdsStream } from "./ads_stream.ts";
import type { Snapshot } from "./delta_type.ts";
import type { GrpcCall } from "./grpc_server.ts";

const log = logger("hgate", "envoy");

/** Until something was published, nothing is known to be gone. */
const NOTHING_YET: Snapshot = { resources: new Map(), kept: () => true };

/** What was sent since the start, by type; what tests and metrics look at. */
export interface SentCounts {
  resources: number;
  removed: number;
  refused: number;
}

/** The control plane: tells every Envoy that is connected what there is, and only what it does not have. */
export class AdsServer {
  readonly sent = new Map<string, SentCounts>();
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #streams = new Set<AdsStream>();
  readonly #refusals = new Map<string, string>();
  readonly #waiting = new Set<() => void>();

  /** An Envoy is connected. */
  get connected(): boolean {
    return this.#streams.size > 0;
  }

  /** Why Envoy does not have what was published of a type, if it refused it. */
  refusal(type: string): Problem | undefined {
    const message = this.#refusals.get(type);
    return message === undefined ? undefined : refusal(type, message);
  }

  /** Serves an Envoy's stream. */
  async serve(call: GrpcCall): Promise<void> {
    const stream = new AdsStream(call, {
      snapshot: (type) => this.#snapshots.get(type) ?? NOTHING_YET,
      onSent: (type, resources, removed) => this.#count(type, { resources, removed }),
      onRefused: (type, message) => this.#refused(type, message),
      onAnswer: () => this.#wake(),
    });
    this.#streams.add(stream);
    this.#wake();
    try {
      await stream.run();
    } finally {
      this.#streams.delete(stream);
      this.#wake();
    }
  }

  /** Replaces what there is of a type. */
  publish(type: string, snapshot: Snapshot): void {
    this.#snapshots.set(type, snapshot);
    this.#refusals.delete(type);
    for (const stream of this.#streams) void stream.push();
  }

  /**
   * Resolves when Envoy has taken all there is.
   * @throws {Problem} it did not take a part of it; the text is Envoy's
   */
  async settled(signal?: AbortSignal): Promise<void> {
    await this.until(() => this.connected && [...this.#streams].every((stream) => stream.settled), signal);
    for (const [type, message] of this.#refusals) throw refusal(type, message);
  }

  /** Resolves when `met`, asked whenever something changes, is true. @throws the reason of `signal` */
  until(met: () => boolean, signal?: AbortSignal): Promise<void> {
    if (met()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = () => {
        this.#waiting.delete(look);
        signal?.removeEventListener("abort", stop);
      };
      const look = () => {
        if (!met()) return;
        done();
        resolve();
      };
      const stop = () => {
        done();
        reject(signal!.reason);
      };
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", stop, { once: true });
      this.#waiting.add(look);
    });
  }

  #wake(): void {
    for (const look of [...this.#waiting]) look();
  }

  #refused(type: string, message: string): void {
    this.#refusals.set(type, message);
    this.#count(type, { refused: 1 });
    log.error(refusal(type, message).message);
  }

  #count(type: string, more: Partial<SentCounts>): void {
    const counts = this.sent.get(type) ?? { resources: 0, removed: 0, refused: 0 };
    counts.resources += more.resources ?? 0;
    counts.removed += more.removed ?? 0;
    counts.refused += more.refused ?? 0;
    this.sent.set(type, counts);
  }
}

function refusal(type: string, message: string): Problem {
  return new Problem({
    tried: `give Envoy its ${type.slice(type.lastIndexOf(".") + 1).toLowerCase()}s`,
    got: withoutDump(message),
    fix: "look at the registration that is named; the others go on with what they have",
  });
}

/** Envoy's text without the resource that it prints first, which may hold a token. */
function withoutDump(message: string): string {
  const name = /^name: "(.*)"$/m.exec(message)?.[1];
  const reason = message.slice(message.lastIndexOf("\n: ") + 1).replace(/^: /, "");
  return name === undefined || reason === message ? message : `${name}: ${reason}`;
}
