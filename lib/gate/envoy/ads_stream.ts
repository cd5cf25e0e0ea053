import type { Delta } from "./delta.ts";
import { type DeltaRequest, DeltaType, type Snapshot } from "./delta_type.ts";
import type { GrpcCall } from "./grpc_server.ts";
import { decode, encode } from "./protobuf.ts";

/** Resources a response: Envoy's main thread answers others between two of them. */
const MOST_A_RESPONSE = 200;

export interface AdsStreamOptions {
  /** What there is of a type now. */
  snapshot: (type: string) => Snapshot;
  /** Envoy did not take what it was sent; the text is its own. */
  onRefused: (type: string, message: string) => void;
  /** Something was taken or refused. */
  onAnswer: () => void;
  /** Counts what is sent. */
  onSent: (type: string, resources: number, removed: number) => void;
}

/** One Envoy's delta ADS stream, all types on it. */
export class AdsStream {
  readonly #call: GrpcCall;
  readonly #options: AdsStreamOptions;
  readonly #types = new Map<string, DeltaType>();
  #nonce = 0;
  #pushing = false;
  #again = false;

  constructor(call: GrpcCall, options: AdsStreamOptions) {
    this.#call = call;
    this.#options = options;
  }

  /** True when it has been told all there is and has taken or refused it. */
  get settled(): boolean {
    return !this.#pushing && this.#types.size > 0 && [...this.#types.values()].every((type) => type.settled);
  }

  /** Serves it until Envoy or the connection ends it. */
  async run(): Promise<void> {
    for await (const bytes of this.#call.messages()) {
      const request = decode<DeltaRequest>("envoy.service.discovery.v3.DeltaDiscoveryRequest", bytes);
      let type = this.#types.get(request.type_url);
      if (!type) this.#types.set(request.type_url, type = new DeltaType());
      const refused = type.take(request);
      if (refused !== undefined) this.#options.onRefused(request.type_url, refused);
      void this.push();
      this.#options.onAnswer();
    }
  }

  /** Sends what has changed. Never rejects: a stream that broke ends {@link run}. */
  async push(): Promise<void> {
    this.#again = true;
    if (this.#pushing) return;
    this.#pushing = true;
    try {
      while (this.#again) {
        this.#again = false;
        for (const [url, type] of this.#types) {
          const first = type.awaitsFirst;
          const delta = type.next(this.#options.snapshot(url));
          if (first || delta.resources.length > 0 || delta.removed.length > 0) await this.#send(url, type, delta);
        }
      }
    } catch {
      // The stream was reset; Envoy comes again.
    } finally {
      this.#pushing = false;
      this.#options.onAnswer();
    }
  }

  async #send(url: string, type: DeltaType, { resources, removed }: Delta): Promise<void> {
    for (let at = 0; at === 0 || at < resources.length; at += MOST_A_RESPONSE) {
      const nonce = `${++this.#nonce}`;
      type.sent(nonce);
      const part = resources.slice(at, at + MOST_A_RESPONSE);
      const gone = at === 0 ? removed : [];
      this.#options.onSent(url, part.length, gone.length);
      await this.#call.send(encode("envoy.service.discovery.v3.DeltaDiscoveryResponse", {
        type_url: url,
        nonce,
        removed_resources: gone,
        resources: part.map(({ name, version, resource }) => ({ name, version, resource })),
      }));
    }
  }
}
