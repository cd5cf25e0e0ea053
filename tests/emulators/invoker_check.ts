/**
 * Who may call a Cloud Run service: the check of Google ID tokens at its front end.
 *
 * Wire facts: https://cloud.google.com/run/docs/authenticating/service-to-service (audience, both headers),
 * https://cloud.google.com/run/docs/troubleshooting#unauthorized-client (401 and 403).
 */
import { bearerToken } from "./access_tokens.ts";
import { type Claims, type JsonWebKeySet, verifySignature } from "./json_web_token.ts";

/** What the check needs to know of a service. */
export interface InvokerPolicy {
  /** No token is asked for. @default false */
  allowUnauthenticated?: boolean;
  /** The e-mail addresses with roles/run.invoker. @default everybody with a good token */
  invokers?: string[] | undefined;
  /** Audiences taken besides the service's own URL. @default [] */
  customAudiences?: string[];
  /** All that are taken, the URL only if it is among them. @default the URL and `customAudiences` */
  audiences?: string[];
}

export type Verdict = { allowed: true; user?: string } | { allowed: false; status: 401 | 403; user?: string };

const ISSUERS: unknown[] = ["https://accounts.google.com", "accounts.google.com"];
/** Google's own tolerance for clocks that differ is not documented; none, so that tests see an exact end. */
const CLOCK_SKEW_SECONDS = 0;

/** Checks a request's credentials for the service at `host`, e.g. `hello.a.run.app`. */
export function checkInvoker(
  headers: { authorization?: string | undefined; "x-serverless-authorization"?: string | undefined },
  host: string,
  policy: InvokerPolicy,
  jwks: JsonWebKeySet,
): Verdict {
  if (policy.allowUnauthenticated) return { allowed: true };
  // With both headers only this one is checked, and `authorization` is the application's own.
  const token = bearerToken(headers["x-serverless-authorization"] ?? headers.authorization);
  const claims = token === undefined ? undefined : verifySignature(token, jwks);
  if (!claims || !isGood(claims, policy.audiences ?? [`https://${host}`, ...policy.customAudiences ?? []])) {
    return { allowed: false, status: 401 };
  }
  const user = claims.email ?? claims.sub ?? "";
  if (policy.invokers && !policy.invokers.includes(user)) return { allowed: false, status: 403, user };
  return { allowed: true, user };
}

function isGood(claims: Claims, audiences: string[]): boolean {
  const expiresAtMs = ((claims.exp ?? 0) + CLOCK_SKEW_SECONDS) * 1000;
  return ISSUERS.includes(claims.iss) && expiresAtMs > Date.now() &&
    typeof claims.aud === "string" && audiences.includes(claims.aud);
}

/** The header as the container sees it: nobody behind the front end can use the token again. */
export function withoutSignature(authorization: string): string {
  return authorization.replace(/^(bearer +[^.\s]+\.[^.\s]+)\.\S*$/i, "$1.SIGNATURE_REMOVED_BY_GOOGLE");
}
