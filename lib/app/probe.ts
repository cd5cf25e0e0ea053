import type { Fetch } from "../base/http.ts";
import { Problem, UsageError } from "../base/errors.ts";
import { accepts, ownedBy } from "./listener.ts";

export type Probe =
  | { kind: "http"; url: string }
  | { kind: "tcp"; hostname: string; port: number }
  | { kind: "none" };

export interface ProbeSettings {
  startupProbeHttp?: string | undefined;
  startupProbeTcp?: string | undefined;
  appPort: number;
}

/** `startupProbe.http`, else `startupProbe.tcp` (`-` for none), else TCP to the app's port. @throws {UsageError} */
export function probeOf(settings: ProbeSettings): Probe {
  const { startupProbeHttp: url, startupProbeTcp: address, appPort } = settings;
  if (url) {
    if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return { kind: "http", url };
    throw new UsageError({ tried: "read setting startupProbe.http", got: `"${url}"`, fix: "give an http:// URL" });
  }
  if (!address) return { kind: "tcp", hostname: "127.0.0.1", port: appPort };
  if (address === "-") return { kind: "none" };
  const parts = /^(.*):(\d+)$/.exec(address);
  const port = Number(parts?.[2]);
  if (!parts || port < 1 || port > 65_535) {
    throw new UsageError({ tried: "read setting startupProbe.tcp", got: `"${address}"`, fix: "give HOST:PORT, or -" });
  }
  return { kind: "tcp", hostname: parts[1]!.replace(/^\[|\]$/g, "") || "127.0.0.1", port };
}

/** `http://127.0.0.1:8080/health`, `127.0.0.1:8080` */
export function describeProbe(probe: Probe): string {
  if (probe.kind === "none") return "nothing";
  return probe.kind === "http" ? probe.url : `${probe.hostname}:${probe.port}`;
}

/**
 * Waits until the app is ready; without a probe it is, from its start.
 * @param notTheApp processes whose listener on the app's port does not count: the proxy's
 * @throws {Problem} not ready within the limit
 */
export async function waitForApp(
  probe: Probe,
  options: { limitMs: number; appPort: number; notTheApp: readonly number[]; signal?: AbortSignal; fetch?: Fetch },
): Promise<void> {
  if (probe.kind === "none") return;
  const until = performance.now() + options.limitMs;
  let last = "it does not listen";
  for (let waitMs = 5; performance.now() < until; waitMs = Math.min(100, waitMs * 1.3)) {
    options.signal?.throwIfAborted();
    const state = await tryProbe(probe, options);
    if (state === "ready") return;
    last = state;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  throw new Problem({
    tried: `wait for the app on ${describeProbe(probe)}`,
    got: `not ready after ${options.limitMs} ms: ${last}`,
    fix:
      `let the app listen on the port in PORT (${options.appPort}), or set PORT_http, startupProbe.http, startupProbe.tcp ` +
      "or KRUN_STARTUP_MS",
  });
}

async function tryProbe(
  probe: Exclude<Probe, { kind: "none" }>,
  options: { appPort: number; notTheApp: readonly number[]; fetch?: Fetch },
): Promise<string> {
  if (probe.kind === "http") {
    try {
      const answer = await (options.fetch ?? fetch as Fetch)(probe.url, {
        redirect: "manual",
        signal: AbortSignal.timeout(1_000),
      });
      await answer.body?.cancel();
      return answer.status >= 200 && answer.status < 400 ? "ready" : `it answers ${answer.status}`;
    } catch {
      return "it does not answer";
    }
  }
  if (!await accepts(probe.port, probe.hostname)) return "it does not listen";
  if (probe.port === options.appPort && await ownedBy(probe.port, options.notTheApp)) {
    return "the port is the proxy's, not the app's";
  }
  return "ready";
}
