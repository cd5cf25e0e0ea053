/** What the loss test says of a range of Envoy versions; the first row that covers a version decides. */
interface Verdict {
  /** The last minor version of the range, e.g. `1.40`; undefined covers all later ones. */
  upTo: string | undefined;
  keeps: boolean;
  reason: string;
}

/**
 * Whether Envoy, as the end of a `POST` tunnel, delivers what a TCP server sent before it closed.
 * A row changes only after `tests/integration/tunnel_suite.ts` has passed on that version.
 */
export const ENVOY_TUNNEL_VERDICTS: readonly Verdict[] = [
  {
    upTo: "1.40",
    keeps: false,
    reason: "2 of 3 downloads of 512 MiB came back short by 0.8 to 14 MB with RST_STREAM (envoyproxy/envoy #28329)",
  },
  {
    upTo: undefined,
    keeps: false,
    reason:
      "the fix, envoyproxy/envoy PR #47378 behind envoy.reloadable_features.tcp_tunnel_allow_upstream_half_close, was in no " +
      "release in September 2026; later versions are not tested yet",
  },
];

/** True only for versions that are known to pass the loss test; anything unknown or unreadable is false. */
export function envoyKeepsTunnelEnds(version: string): boolean {
  const [, major, minor] = /^v?(\d+)\.(\d+)(?:\.|-|$)/.exec(version) ?? [];
  if (major === undefined || minor === undefined) return false;
  return ENVOY_TUNNEL_VERDICTS.find(({ upTo }) => upTo === undefined || atMost(major, minor, upTo))!.keeps;
}

function atMost(major: string, minor: string, limit: string): boolean {
  const [limitMajor, limitMinor] = limit.split(".").map(Number);
  return Number(major) < limitMajor! || (Number(major) === limitMajor && Number(minor) <= limitMinor!);
}
