import { reasonOf } from "../../base/errors.ts";
import { type CloudRunName, fullServiceName } from "../../registration/mod.ts";

/** What Cloud Run says of a service. */
export interface CloudRunService {
  /** The one to use first. */
  urls: readonly string[];
  /** Request timeout. */
  timeoutMs: number;
  /** Requests at once that an instance takes. */
  concurrency: number;
  /** Where the app listens in its instance. */
  appPort?: number | undefined;
  /** Custom audiences, beside the URLs. */
  audiences: readonly string[];
  /** Why it does not serve. */
  problem?: string | undefined;
  /** Whether its container gets HTTP/2, which tunnels need. */
  port?: { isHttp2: boolean };
}

export interface CloudRun {
  /** @throws {Problem} there is none, it may not be read, or nothing answers */
  service(project: string, region: string, name: string, signal?: AbortSignal): Promise<CloudRunService>;
}

export interface KeptOptions {
  /** A service is asked for again after this long, spread by a fifth. @default {300000} */
  everyMs?: number;
  /** The same after a failure. @default {30000} */
  afterFailureMs?: number;
  random?: () => number;
  now?: () => number;
}

interface Kept {
  last: CloudRunService | undefined;
  problem: string | undefined;
  nextAt: number;
}

/** What Cloud Run said last of each service; a failure leaves the last answer as it is. */
export class KeptServices {
  readonly #kept = new Map<string, Kept>();

  constructor(readonly cloudRun: CloudRun, readonly options: KeptOptions = {}) {}

  async get(name: CloudRunName, signal?: AbortSignal): Promise<Readonly<Kept>> {
    const { everyMs = 300_000, afterFailureMs = 30_000, random = Math.random, now = Date.now } = this.options;
    const key = fullServiceName(name);
    const kept: Kept = this.#kept.get(key) ?? { last: undefined, problem: undefined, nextAt: 0 };
    this.#kept.set(key, kept);
    if (now() < kept.nextAt) return kept;
    try {
      kept.last = await this.cloudRun.service(name.project, name.region, name.service, signal);
      kept.problem = problemOf(kept.last, name);
    } catch (error) {
      kept.problem = reasonOf(error);
    }
    const isWell = kept.problem === undefined && kept.last?.urls.length;
    kept.nextAt = now() + (isWell ? everyMs : afterFailureMs) * (0.8 + random() * 0.4);
    return kept;
  }

  /** Forgets those that nobody asks for. @returns when the next of the others is due, milliseconds since 1970 */
  keepOnly(names: readonly CloudRunName[]): number {
    const wanted = new Set(names.map(fullServiceName));
    for (const key of this.#kept.keys()) if (!wanted.has(key)) this.#kept.delete(key);
    return Math.min(...[...this.#kept.values()].map(({ nextAt }) => nextAt), Infinity);
  }
}

/** What is wrong with it, for who registered it. */
function problemOf(
  { port, problem }: CloudRunService,
  { project, region, service }: CloudRunName,
): string | undefined {
  if (problem) return `Cloud Run: ${service} does not serve: ${problem}`;
  if (port?.isHttp2 === false) {
    const command = `gcloud run services update ${service} --project ${project} --region ${region} --use-http2`;
    return `${service} gets HTTP/1, tunnels need HTTP/2: ${command}`;
  }
  return undefined;
}
