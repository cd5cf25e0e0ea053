import type { TunnelStats } from "./engine.ts";
import type { ServerOptions } from "./server.ts";
import type { WorkerReply, WorkerRequest } from "./worker_messages.ts";

type Ask = WorkerRequest extends infer R ? R extends { id: number } ? Omit<R, "id"> : never : never;

/** A worker as seen from the main thread. */
export class WorkerThread {
  /** Rejects when the worker dies; never resolves. */
  readonly died: Promise<never>;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (reply: WorkerReply) => void>();
  #lastId = 0;

  constructor(url: URL = new URL("./worker.ts", import.meta.url)) {
    this.#worker = new Worker(url, { type: "module", name: "tunnel" });
    this.#worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => {
      this.#waiting.get(data.id)?.(data);
      this.#waiting.delete(data.id);
    };
    this.died = new Promise<never>((_, reject) => {
      this.#worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
    });
    this.died.catch(() => {});
  }

  async serve(options: ServerOptions): Promise<void> {
    await this.#ask({ kind: "serve", options });
  }

  async stats(): Promise<TunnelStats> {
    return (await this.#ask({ kind: "stats" })).stats!;
  }

  async drain(limitMs: number): Promise<void> {
    await this.#ask({ kind: "drain", limitMs });
  }

  /** Ends the worker, alive or dead. */
  async close(): Promise<void> {
    await this.#ask({ kind: "close" }).catch(() => {});
    this.terminate();
  }

  /** Ends the thread where it stands. */
  terminate(): void {
    this.#worker.terminate();
  }

  async #ask(request: Ask): Promise<WorkerReply> {
    const id = ++this.#lastId;
    const answered = new Promise<WorkerReply>((resolve) => this.#waiting.set(id, resolve));
    this.#worker.postMessage({ ...request, id });
    const reply = await Promise.race([answered, this.died]);
    if (reply.failure !== undefined) throw new Error(reply.failure);
    return reply;
  }
}
