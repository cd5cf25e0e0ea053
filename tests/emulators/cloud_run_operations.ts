/** Operations of the Cloud Run Admin API: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.operations. */

export interface RunError {
  /** google.rpc.Code */
  code: number;
  message: string;
}

/** What a change comes to: the resource, or why not. */
export type RunOutcome = { response: unknown } | { error: RunError };

/** One change on its way: it is done when its work is and it was looked at often enough. */
export class Operation {
  readonly name: string;
  #outcome: RunOutcome | undefined;
  #isDone = false;
  #looksLeft: number;

  /**
   * @param parent `projects/P/locations/R`
   * @param work what has to be done before
   * @param finish is called when it is over, and says what came of it
   */
  constructor(
    parent: string,
    readonly of: string,
    looks: number,
    readonly work: Promise<void>,
    readonly finish: () => RunOutcome,
  ) {
    this.name = `${parent}/operations/${crypto.randomUUID()}`;
    this.#looksLeft = looks;
    work.then(() => this.#workIsDone = true);
  }

  #workIsDone = false;

  get isDone(): boolean {
    return this.#isDone;
  }

  /** Somebody looks at it, or at what it changes. */
  look(): void {
    if (this.#isDone) return;
    this.#looksLeft--;
    if (this.#looksLeft > 0 || !this.#workIsDone) return;
    this.#isDone = true;
    this.#outcome = this.finish();
  }

  /** As the API gives it. */
  resource(): Record<string, unknown> {
    const metadata = { "@type": "type.googleapis.com/google.cloud.run.v2.Service", name: this.of };
    return { name: this.name, metadata, ...(this.#isDone ? { done: true, ...this.#outcome } : {}) };
  }
}
