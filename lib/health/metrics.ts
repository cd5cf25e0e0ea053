import { exposition } from "../base/exposition.ts";

/** What krun knows of itself, for people and machines. */
export interface Status {
  /** Why it is not ready; `undefined` when it is. */
  notReady: string | undefined;
  /** Stages of the start so far, in milliseconds: `{clusterMs: 22, …}`. */
  startMs: Readonly<Record<string, number>>;
  proxyUp: boolean;
  proxyRestarts: number;
  /** When the workload's token ends, milliseconds since 1970; `undefined` without a mesh. */
  tokenExpiresAt: number | undefined;
  /** When mesh-env was last read, milliseconds since 1970; `undefined` where it is not followed. */
  meshEnvReadAt: number | undefined;
  /** `undefined` while 15009 is not served by krun. */
  tunnels: { tunnelsOpen: number; tunnelsTotal: number; bytesIn: number; bytesOut: number } | undefined;
}

/** As `/metrics` shows it. */
export function metricsText(status: Status): string {
  const { tunnels, tokenExpiresAt, meshEnvReadAt } = status;
  return exposition([
    ["krun_ready", "gauge", "1 when requests on the tunnel's port are answered.", [[{}, status.notReady ? 0 : 1]]],
    [
      "krun_start_stage_seconds",
      "gauge",
      "Time that each stage of the start took.",
      Object.entries(status.startMs).map(([stage, ms]) => [{ stage: stage.replace(/Ms$/, "") }, ms / 1_000]),
    ],
    ["krun_proxy_up", "gauge", "1 while the proxy runs.", [[{}, status.proxyUp ? 1 : 0]]],
    ["krun_proxy_restarts_total", "counter", "Times the proxy was started again.", [[{}, status.proxyRestarts]]],
    [
      "krun_token_expiry_timestamp_seconds",
      "gauge",
      "When the workload's token ends; it is renewed at two thirds of its life.",
      tokenExpiresAt === undefined ? [] : [[{}, tokenExpiresAt / 1_000]],
    ],
    [
      "krun_mesh_env_read_timestamp_seconds",
      "gauge",
      "When mesh-env was last read and all that it says was taken.",
      meshEnvReadAt === undefined ? [] : [[{}, meshEnvReadAt / 1_000]],
    ],
    ["krun_tunnels_open", "gauge", "Tunnels that are open.", tunnels ? [[{}, tunnels.tunnelsOpen]] : []],
    ["krun_tunnels_total", "counter", "Tunnels since the start.", tunnels ? [[{}, tunnels.tunnelsTotal]] : []],
    [
      "krun_tunnel_bytes_total",
      "counter",
      "Bytes through tunnels, in: towards the app.",
      tunnels ? [[{ direction: "in" }, tunnels.bytesIn], [{ direction: "out" }, tunnels.bytesOut]] : [],
    ],
  ]);
}
