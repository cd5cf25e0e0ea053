import { canHelp, type Fetch } from "../base/http.ts";
import { Problem, reasonOf } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import type { GkeCluster, GoogleCredentials } from "../gcp/mod.ts";
import { type KubeAccess, KubeClient } from "../kube/mod.ts";
import { Secret } from "../base/secret.ts";
import { endpointsOf } from "./endpoints.ts";

const log = logger("krun", "cluster");

/** A cluster that may be taken, and its ways in. */
export interface Candidate {
  /** For people. */
  name: string;
  ways: readonly KubeAccess[];
  cluster?: GkeCluster | undefined;
}

export interface Connected<T> {
  kube: KubeClient;
  candidate: Candidate;
  first: T;
}

export function gkeCandidate(
  cluster: GkeCluster,
  credentials: GoogleCredentials,
  user: string | undefined,
): Candidate {
  const name = `GKE cluster ${cluster.name} in ${cluster.location}`;
  const authorization = async () => new Secret(`Bearer ${(await credentials.accessToken()).reveal()}`);
  return {
    name,
    cluster,
    ways: endpointsOf(cluster).map(({ kind, server, ca }) => ({
      origin: `${name} by its ${kind} ${server.slice("https://".length)}`,
      server,
      ca,
      authorization,
      user,
    })),
  };
}

/**
 * Takes the first cluster whose API server answers `ask` within the budget; one that does not is passed over, loudly.
 * A refusal (401, 403, …) is an answer: it ends the search, since the next cluster would hide a missing permission.
 * @param ask the first useful request, so that no round trip is spent on a probe; `undefined` = this cluster is not for us
 * @throws {Problem} none answers: says each one's reason
 */
export async function connect<T>(
  candidates: readonly Candidate[],
  ask: (kube: KubeClient, limits: { signal: AbortSignal; tries: number; timeoutMs: number }) => Promise<T | undefined>,
  options: { budgetMs: number; fetch?: Fetch | undefined },
): Promise<Connected<T>> {
  const failures: string[] = [];
  for (const [at, candidate] of candidates.entries()) {
    const more = at + 1 < candidates.length;
    const passOver = (why: string) => {
      failures.push(`${candidate.name}: ${why}`);
      if (more) log.warn(`${candidate.name} is passed over: ${why}`);
    };
    if (candidate.ways.length === 0) {
      passOver("it offers no address that can be used");
      continue;
    }
    const budget = new AbortController();
    const timer = setTimeout(
      () => budget.abort(new Error(`no answer within its budget of ${options.budgetMs} ms`)),
      options.budgetMs,
    );
    try {
      const found = await firstWay(
        candidate,
        ask,
        { ...options, budget: budget.signal },
      );
      if (found) return found;
      passOver("it has no mesh-env");
    } catch (error) {
      if (!canHelp(error) && !budget.signal.aborted) throw error;
      passOver(budget.signal.aborted ? reasonOf(budget.signal.reason) : (error as Problem).got ?? reasonOf(error));
    } finally {
      clearTimeout(timer);
    }
  }
  throw new Problem({
    tried: `reach a cluster's API server (${candidates.length} tried)`,
    got: failures.join("; ") || "no cluster to try",
    fix:
      "check the clusters' authorized networks and this workload's VPC egress, or name a cluster by CLUSTER_NAME and CLUSTER_LOCATION",
  });
}

/** Tries a cluster's ways in their order, each with its share of the budget, tries included; only the last failure counts. */
async function firstWay<T>(
  candidate: Candidate,
  ask: (kube: KubeClient, limits: { signal: AbortSignal; tries: number; timeoutMs: number }) => Promise<T | undefined>,
  options: { budgetMs: number; budget: AbortSignal; fetch?: Fetch | undefined },
): Promise<Connected<T> | undefined> {
  const shareMs = Math.ceil(options.budgetMs / candidate.ways.length);
  for (const [at, way] of candidate.ways.entries()) {
    const last = at + 1 === candidate.ways.length;
    const share = new AbortController();
    const timer = last
      ? undefined
      : setTimeout(() => share.abort(new Error(`no answer within ${shareMs} ms`)), shareMs);
    const kube = new KubeClient(way, { fetch: options.fetch, timeoutMs: shareMs });
    let kept = false;
    try {
      const signal = AbortSignal.any([options.budget, share.signal]);
      const first = await ask(kube, { signal, tries: candidate.ways.length === 1 ? 4 : 2, timeoutMs: shareMs });
      if (first === undefined) return undefined;
      kept = true;
      return { kube, candidate, first };
    } catch (error) {
      if (last || options.budget.aborted || !(canHelp(error) || share.signal.aborted)) throw error;
      const why = share.signal.aborted ? share.signal.reason : error;
      log.info(
        `${way.origin} does not answer, trying the next way: ${why instanceof Problem ? why.got : reasonOf(why)}`,
      );
    } finally {
      clearTimeout(timer);
      if (!kept) kube[Symbol.dispose]();
    }
  }
}
