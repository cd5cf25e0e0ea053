import { Problem, reasonOf } from "../../base/errors.ts";
import { pause } from "../../base/pause.ts";
import type { KubeClient } from "../../kube/mod.ts";
import { type GateReport, gateReports } from "../gate_reports.ts";
import { type Check, notLookedAt } from "../step.ts";

export interface RoutedOptions {
  /** Of the gate. */
  namespace: string;
  /** `prod/web` → `https://host` */
  routes: ReadonlyMap<string, string>;
  timeoutMs: number;
  /** @default {500} */
  everyMs?: number | undefined;
}

/** What the gate says against a registration is taken for its last word when it has said it for this long. */
const SETTLE_MS = 5_000;
/** Failures to ask it, in a row, after which it is not asked any more. */
const TRIES = 3;

/** Every replica of the gate leads each of the services to its URL; where that may not be looked at, it says so and passes. */
export function routed(kube: KubeClient, { namespace, routes, timeoutMs, everyMs = 500 }: RoutedOptions): Check {
  const subject = `the gate's routes to ${[...routes.keys()].join(", ")}`;
  return {
    subject,
    async check(signal, progress) {
      const until = performance.now() + timeoutMs;
      let failures = 0;
      let since: { problem: string; at: number } | undefined;
      for (;;) {
        let missing: string | undefined;
        try {
          const reports = await gateReports(kube, namespace, signal);
          if (typeof reports === "string") return notLookedAt(reports);
          missing = missingRoute(reports, routes);
          if (!missing) return `${reports.length === 1 ? "1 replica has" : `all ${reports.length} replicas have`} them`;
          failures = 0;
        } catch (error) {
          signal.throwIfAborted();
          if (++failures === TRIES) return notLookedAt(reasonOf(error));
          missing = undefined;
        }
        const now = performance.now();
        const isRefusal = missing !== undefined && !isWaiting(missing);
        if (!isRefusal) since = undefined;
        else if (since?.problem !== missing) since = { problem: missing!, at: now };
        const isSettled = since !== undefined && now - since.at >= Math.min(SETTLE_MS, timeoutMs);
        if (isSettled || now + everyMs > until) {
          const fix = `kubectl -n ${namespace} exec deployment/hgate -c hgate -- hgate routes`;
          throw new Problem({ tried: `wait for ${subject}`, got: missing ?? "the gate does not answer", fix });
        }
        progress(missing ?? "the gate does not answer");
        await pause(everyMs, signal);
      }
    },
  };
}

const WAITING = "not there yet";
const isWaiting = (missing: string) => missing.endsWith(WAITING);

/** The first route that a replica does not have, with what it says of that; `undefined` where all have all. */
export function missingRoute(reports: readonly GateReport[], wanted: ReadonlyMap<string, string>): string | undefined {
  for (const report of reports) {
    for (const [service, url] of wanted) {
      const route = report.routes.find((route) => route.kind === "tunnel" && route.service === service);
      if (route?.to.startsWith(`${url}/`)) continue;
      const said = report.problems.find(({ object }) => object === `Service ${service}`);
      if (said) return `${said.object}: ${said.problem}`;
      return `${service} to ${url}: ${route ? `it leads to ${route.to}, ${WAITING}` : WAITING}`;
    }
  }
  return undefined;
}
