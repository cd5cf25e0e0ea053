import { type Delta, deltaOf } from "./delta.ts";
import type { Resources } from "./resources.ts";

/** What Envoys shall have of one type. */
export interface Snapshot {
  resources: Resources;
  /** What an Envoy keeps though it is not among them. */
  kept: (name: string) => boolean;
}

/** A request of Envoy's on a delta stream. */
export interface DeltaRequest {
  type_url: string;
  resource_names_subscribe: string[];
  resource_names_unsubscribe: string[];
  initial_resource_versions: Record<string, string>;
  response_nonce: string;
  error_detail: { code: number; message: string } | null;
}

/** One type on one stream: what Envoy asked for, what it was told and what it has taken (xDS protocol, "Incremental xDS"). */
export class DeltaType {
  #subscribed: "*" | Set<string> | undefined;
  readonly #known = new Map<string, string>();
  readonly #unanswered = new Set<string>();
  #answered = false;

  /** It asked for everything and has been told nothing yet: even that there is nothing is an answer it waits for. */
  get awaitsFirst(): boolean {
    return this.#subscribed === "*" && !this.#answered;
  }

  /** Everything it was told has been taken or refused. */
  get settled(): boolean {
    return this.#unanswered.size === 0;
  }

  /** Takes a request; returns why Envoy refused what it answers, if it did. */
  take(request: DeltaRequest): string | undefined {
    const names = request.resource_names_subscribe;
    if (this.#subscribed === undefined) {
      for (const [name, version] of Object.entries(request.initial_resource_versions)) this.#known.set(name, version);
      this.#subscribed = names.length === 0 || names.includes("*") ? "*" : new Set();
    }
    if (this.#subscribed !== "*") {
      for (const name of names) {
        this.#subscribed.add(name);
        // Asked for anew means that Envoy does not have it, unless it has just said so.
        if (!(name in request.initial_resource_versions)) this.#known.delete(name);
      }
      for (const name of request.resource_names_unsubscribe) {
        this.#subscribed.delete(name);
        this.#known.delete(name);
      }
    }
    this.#unanswered.delete(request.response_nonce);
    return request.error_detail?.message;
  }

  /** What is to be sent now; it counts as known from then on, so that what Envoy refused is not sent until it changes. */
  next({ resources, kept }: Snapshot): Delta {
    if (this.#subscribed === undefined) return { resources: [], removed: [] };
    const delta = deltaOf(this.#known, resources, this.#subscribed, kept);
    for (const { name, version } of delta.resources) this.#known.set(name, version);
    for (const name of delta.removed) this.#known.delete(name);
    return delta;
  }

  sent(nonce: string): void {
    this.#answered = true;
    this.#unanswered.add(nonce);
  }
}
