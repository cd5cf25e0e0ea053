import { reasonOf } from "../../base/errors.ts";
import type { GateOptions, GateRoutes, GateStats } from "../route.ts";
import type { GateThread, ThreadCalls, ThreadOptions } from "./thread.ts";
import type { FromWorker, ThreadRequest, TokenReply, ToWorker } from "./worker_messages.ts";

type Reply = Extract<FromWorker, { kind: "reply" }>;

/** A worker as the main thread sees it. */
export class WorkerThread implements GateThread {
  /** Rejects when the worker dies; never resolves. */
  readonly died: Promise<never>;
  readonly #worker: Worker;
  readonly #calls: ThreadCalls;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #lastId = 0;

  constructor(calls: ThreadCalls, url: URL = new URL("./gate_worker.ts", import.meta.url)) {
    this.#calls = calls;
    this.#worker = new Worker(url, { type: "module", name: "gate" });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#take(data);
    this.died = new Promise<never>((_, reject) => {
      this.#worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
    });
    this.died.catch(() => {});
  }

  async serve(options: ThreadOptions): Promise<GateOptions["ports"]> {
    return (await this.#ask({ kind: "serve", options })).ports!;
  }

  async update(routes: GateRoutes): Promise<void> {
    await this.#ask({ kind: "update", routes });
  }

  async stats(): Promise<GateStats> {
    return (await this.#ask({ kind: "stats" })).stats!;
  }

  async drain(limitMs: number): Promise<void> {
    await this.#ask({ kind: "drain", limitMs });
  }

  /** Ends the worker, alive or dead. */
  async close(): Promise<void> {
    await this.#ask({ kind: "close" }).catch(() => {});
    this.#worker.terminate();
  }

  async #ask(request: ThreadRequest): Promise<Reply> {
    const id = ++this.#lastId;
    const answered = new Promise<Reply>((resolve) => this.#waiting.set(id, resolve));
    this.#say({ ...request, id });
    const reply = await Promise.race([answered, this.died]);
    if (reply.failure !== undefined) throw new Error(reply.failure);
    return reply;
  }

  #take(message: FromWorker): void {
    switch (message.kind) {
      case "reply":
        this.#waiting.get(message.id)?.(message);
        this.#waiting.delete(message.id);
        return;
      case "token":
        return void this.#giveToken(message.id, message.audience);
      case "drop":
        return this.#calls.tokens.drop(message.audience);
      case "unknown name":
        return this.#calls.onUnknownName(message.serverName);
    }
  }

  async #giveToken(id: number, audience: string): Promise<void> {
    const reply: TokenReply = { kind: "token", id };
    try {
      const { value, expiresAt } = await this.#calls.tokens.get(audience);
      reply.token = { value: value.reveal(), expiresAt };
    } catch (error) {
      reply.failure = reasonOf(error);
    }
    this.#say(reply);
  }

  #say(message: ToWorker): void {
    this.#worker.postMessage(message);
  }
}
