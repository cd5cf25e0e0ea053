/** What of Cloud Run runs: an instance for each revision that gets requests, started by whoever the test gives for it. */
import type { RunRevisionResource, RunServiceResource } from "./cloud_run_types.ts";
import type { ServicePolicies } from "./cloud_run_policy.ts";
import type { CloudRunService } from "./front_end.ts";

/** An instance that runs. */
export interface RunningRevision {
  /** `127.0.0.1:PORT` of the container that gets the requests. */
  address: string;
  /** SIGTERM to every container, SIGKILL after 10 s. */
  stop(): Promise<void>;
}

/** Who starts what is deployed: as real containers or as processes. */
export interface RevisionRunner {
  /** Returns when the startup probes have passed. @throws {Error} they do not: its message is told as Cloud Run's reason */
  start(revision: RunRevisionResource, service: RunServiceResource): Promise<RunningRevision>;
}

/** Services of a front end by the first label of their host, to be kept up by the emulator. */
export type FrontEndServices = Record<string, CloudRunService>;

export class Instances implements AsyncDisposable {
  readonly #running = new Map<string, RunningRevision>();

  constructor(
    readonly runner: RevisionRunner | undefined,
    readonly frontEnd: FrontEndServices | undefined,
    readonly policies: ServicePolicies,
  ) {}

  /** @throws {Error} it does not get ready */
  async start(revision: RunRevisionResource, service: RunServiceResource): Promise<void> {
    if (!this.runner || this.#running.has(revision.name)) return;
    this.#running.set(revision.name, await this.runner.start(revision, service));
  }

  /** Requests go where `trafficStatuses` say, and what gets none ends. */
  async follow(service: RunServiceResource): Promise<void> {
    const { name, trafficStatuses: statuses = [] } = service;
    const wanted = new Set(statuses.map(({ revision }) => `${name}/revisions/${revision}`));
    const ended = [...this.#running].filter(([revision]) => revision.startsWith(`${name}/`) && !wanted.has(revision));
    this.#route(service);
    await Promise.all(ended.map(([revision, running]) => {
      this.#running.delete(revision);
      return running.stop();
    }));
  }

  /** All of a service's instances end. */
  async end({ name, trafficStatuses: _, ...service }: RunServiceResource): Promise<void> {
    await this.follow({ ...service, name, trafficStatuses: [] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.values()].map((running) => running.stop()));
    this.#running.clear();
  }

  #route(service: RunServiceResource): void {
    const { frontEnd } = this;
    const { trafficStatuses: statuses = [], uri } = service;
    const label = labelOf(uri);
    if (!frontEnd || !label) return;
    const old = Object.keys(frontEnd).filter((known) => known === label || known.endsWith(`---${label}`));
    for (const known of old) delete frontEnd[known];
    const shares = statuses.filter(({ percent = 0 }) => percent > 0);
    if (shares.length > 0) frontEnd[label] = this.#entry(service, spread(shares));
    for (const { tag, revision = "" } of statuses.filter(({ tag }) => tag)) {
      frontEnd[`${tag}---${label}`] = this.#entry(service, () => revision);
    }
  }

  /** Looked at anew for each request: policies change while it runs. */
  #entry({ uri, customAudiences = [], invokerIamDisabled = false, name }: RunServiceResource, next: () => string) {
    const portOf = (revision: string) =>
      Number(this.#running.get(`${name}/revisions/${revision}`)?.address.split(":").at(-1) ?? 0);
    const { policies } = this;
    const members = () =>
      policies.of(name).bindings.filter(({ role }) => role === "roles/run.invoker").flatMap(({ members }) => members);
    return {
      get port() {
        return portOf(next());
      },
      // The audience is the service's URL, for a tag's URL too: https://cloud.google.com/run/docs/authenticating/service-to-service
      audiences: [...uri ? [uri] : [], ...customAudiences],
      get allowUnauthenticated() {
        return invokerIamDisabled || members().includes("allUsers");
      },
      /** Without any of its own, those that have the role in the project. */
      get invokers() {
        const own = members().map((member) => member.slice(member.indexOf(":") + 1));
        return own.length > 0 ? own : undefined;
      },
    };
  }
}

/** Revisions one after the other, each as often as its share says. */
function spread(shares: readonly { revision?: string; percent?: number }[]): () => string {
  const given = shares.map(() => 0);
  return () => {
    const total = given.reduce((sum, count) => sum + count, 1);
    const lags = shares.map(({ percent = 0 }, at) => percent / 100 * total - given[at]!);
    const at = lags.indexOf(Math.max(...lags));
    given[at]!++;
    return shares[at]!.revision!;
  };
}

function labelOf(uri: string | undefined): string | undefined {
  return /^https:\/\/([^.]+)\.a\.run\.app$/.exec(uri ?? "")?.[1];
}
