/** A case of `tests/integration/tunnel_suite.ts` that an Envoy fails. */
export interface EnvoyFailure {
  case: string;
  /** True where bytes are lost, or a reset looks like an end: then that Envoy must not be a tunnel's end. */
  losesData: boolean;
  reason: string;
  /** Fails or passes by which side ends first; another case with the same reason fails each time, and goes from the table with it. */
  byRace?: boolean;
}

/** What the suite says of a range of Envoy versions; the first row that covers a version decides. */
export interface EnvoyVerdict {
  /** The last minor version of the range, e.g. `1.40`; undefined covers all later ones. */
  upTo: string | undefined;
  /** Undefined where no version of the range was put through the suite. */
  failures: readonly EnvoyFailure[] | undefined;
}

const HALF_CLOSE = "the TCP side's end resets the stream, what both directions still hold is dropped: " +
  "envoyproxy/envoy #28329, PR #47378 (envoy.reloadable_features.tcp_tunnel_allow_upstream_half_close)";
const CLEAN_FIN = "a reset or a lost connection reaches the app as a clean FIN: half an upload looks like all of it";

/**
 * A row changes only with the suite's outcome: `ENVOY_BIN=… deno test -A tests/integration/tunnel_envoy_test.ts` fails when a case that
 * is listed for that version passes, and when one that is not listed fails.
 */
export const ENVOY_TUNNEL_VERDICTS: readonly EnvoyVerdict[] = [
  {
    upTo: "1.40",
    failures: [
      ...[1, 65_535, 65_536, 65_537, 8_388_608].map((size) => ({
        ...failure(`carries ${size} bytes each way unchanged`, HALF_CLOSE),
        byRace: true,
      })),
      failure("delivers 64 MiB that a server sends before it ends, to a reader that is slower", HALF_CLOSE),
      failure("a client that does not read holds back the app, and less than 1 MiB is in flight here", HALF_CLOSE),
      failure("app ends first: the client reads the end and goes on sending", HALF_CLOSE),
      failure("an app that answers and closes while the client still sends: the answer arrives whole", HALF_CLOSE),
      failure("a client's reset reaches the app as a reset, not as an end", CLEAN_FIN),
      failure("the end of the client's connection reaches every app connection as a reset", CLEAN_FIN),
      failure("disposal ends open tunnels by a reset", CLEAN_FIN),
      {
        case: "an app's reset reaches the client as a reset, not as an end",
        losesData: false,
        reason: "the client does see a reset, with NO_ERROR or INTERNAL_ERROR instead of CONNECT_ERROR",
      },
    ],
  },
  // The fix was in no release in September 2026.
  { upTo: undefined, failures: undefined },
];

function failure(name: string, reason: string): EnvoyFailure {
  return { case: name, losesData: true, reason };
}

/** The row of a version; undefined for what is no version. */
export function envoyVerdict(version: string): EnvoyVerdict | undefined {
  const [, major, minor] = /^v?(\d+)\.(\d+)(?:\.|-|$)/.exec(version) ?? [];
  if (major === undefined || minor === undefined) return undefined;
  return ENVOY_TUNNEL_VERDICTS.find(({ upTo }) => upTo === undefined || atMost(major, minor, upTo));
}

/** True only for versions that are known to lose no data; anything unknown or unreadable is false. */
export function envoyKeepsTunnelEnds(version: string): boolean {
  const failures = envoyVerdict(version)?.failures;
  return failures !== undefined && !failures.some(({ losesData }) => losesData);
}

function atMost(major: string, minor: string, limit: string): boolean {
  const [limitMajor, limitMinor] = limit.split(".").map(Number);
  return Number(major) < limitMajor! || (Number(major) === limitMajor && Number(minor) <= limitMinor!);
}
