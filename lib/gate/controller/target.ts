import { isHostName } from "../../registration/mod.ts";

/** Who may be sent an ID token of the gate. */
export interface TokenPolicy {
  /** Hosts with their subdomains; `host:port` for another port than 443. @default ["run.app"] */
  frontEndHosts: readonly string[];
  /**
   * Whether this host may be sent a token for an audience that is not its own. A registration's word alone must not decide: a tenant
   * that names its own URL and another's audience would be handed a token which the other takes.
   * @default none
   */
  vouched?: ((host: string, audience: string) => boolean) | undefined;
}

/** Where a route leads, or why it leads nowhere. */
export type Target = { url: string; audience: string; path: string } | { problem: string };

/** Reads what a registration says of its Cloud Run service; the text is anybody's who may write to a namespace. */
export function targetOf(
  given: { url: string | undefined; audience: string | undefined; tunnel: string | undefined },
  policy: TokenPolicy,
): Target {
  if (given.url === undefined || given.url === "") return { problem: "it says no URL" };
  const host = hostOf(given.url);
  if (typeof host !== "string") return host;
  if (!policy.frontEndHosts.some((allowed) => isWithin(host, allowed))) {
    return { problem: `the URL's host ${host} may not be given an ID token: HGATE_FRONT_END_HOSTS does not have it` };
  }
  const own = `https://${host}`;
  const audience = given.audience || own;
  if (audience !== own && audience !== `${own}/` && !policy.vouched?.(host, audience)) {
    return {
      problem: `${shown(audience)} is not known to be an audience of ${host}: HGATE_AUDIENCES does not have it`,
    };
  }
  const tunnel = given.tunnel || "15003";
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(tunnel)) {
    return { problem: `${shown(tunnel)} is no tunnel's port or name` };
  }
  return { url: own, audience, path: `/_hbone/${tunnel}` };
}

/** `host[:port]` in lower case, the port only where it is another than 443. */
function hostOf(text: string): string | { problem: string } {
  // By hand, since the URL parser repairs what should be refused: backslashes, tabs, other digits, missing slashes.
  const parts = /^https:\/\/([^/:@?#]*)(?::(\d{1,5}))?\/?$/i.exec(text);
  if (!parts) return { problem: `${shown(text)} is not of the form https://host[:port]` };
  const host = parts[1]!.toLowerCase();
  const port = Number(parts[2] ?? 443);
  if (!isHostName(host)) return { problem: `${shown(text)} has no host name` };
  if (port < 1 || port > 65_535) return { problem: `${shown(text)} has no such port` };
  return port === 443 ? host : `${host}:${port}`;
}

/** `web-abc.a.run.app` is within `run.app`; `evilrun.app` is not. */
function isWithin(host: string, allowed: string): boolean {
  const of = allowed.trim().toLowerCase().replace(/^\*\./, "");
  return of !== "" && (host === of || host.endsWith(`.${of}`));
}

/** Another's text in a message: short, and without anything that a terminal or a log would act on. */
export function shown(text: string): string {
  const plain = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
  // deno-lint-ignore no-control-regex
  return plain.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "?");
}
