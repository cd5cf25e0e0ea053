import { Problem, reasonOf } from "../base/errors.ts";
import type { Fetch } from "../base/http.ts";
import { registerSecret } from "../base/secret.ts";
import { federatedToken } from "./federated_token.ts";
import { impersonatedIdToken, serviceAccountIdToken } from "./id_token_oauth.ts";
import { keptToken } from "./kept_token.ts";
import type { AccessToken } from "./metadata.ts";
import {
  AuthorizedUser,
  credentialsOf,
  impersonatedToken,
  type OAuthOptions,
  refreshedToken,
  ServiceAccountKey,
  serviceAccountToken,
} from "./oauth.ts";

/** A credentials file, read: what it is, and how it gives tokens. */
export interface AdcFile {
  type: string;
  /** E-mail of the service account that the tokens are of; `undefined` where the file does not say it, as a person's. */
  account: string | undefined;
  fetchToken: () => Promise<AccessToken>;
  /** An ID token as it came. @throws {Problem} also where this kind of credentials has none */
  fetchIdToken: (audience: string, signal?: AbortSignal) => Promise<string>;
}

/** google-auth-library itself waits without an end. */
const LIBRARY_LIMIT_MS = 15_000;
/** An account that is impersonated may be the way to the next, but not for ever. */
const DEEPEST = 4;

/**
 * Application default credentials of any kind, https://cloud.google.com/docs/authentication/application-default-credentials.
 * Keys, users and impersonation are a request or two; only workload identity federation, which has many forms, loads
 * google-auth-library.
 * @throws {Problem} no such file, or not whole
 */
export async function readAdcFile(
  path: string,
  options: { fetch?: Fetch | undefined; now?: (() => number) | undefined; limitMs?: number | undefined } = {},
): Promise<AdcFile> {
  let content: unknown;
  try {
    content = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    throw new Problem({
      tried: `read Google credentials from ${path}`,
      got: error instanceof SyntaxError ? "a file that is no JSON" : reasonOf(error),
      fix: "set GOOGLE_APPLICATION_CREDENTIALS to a credentials file, or run: gcloud auth application-default login",
    });
  }
  registerSecretsOf(content);
  return credentialsFrom(content, path, options, 0);
}

function credentialsFrom(
  content: unknown,
  path: string,
  options: Parameters<typeof readAdcFile>[1] & object,
  depth: number,
): AdcFile {
  const members = (typeof content === "object" ? content ?? {} : {}) as Record<string, unknown>;
  const type = typeof members["type"] === "string" ? members["type"] : "";
  const tried = `read Google credentials from ${path}${type ? ` (${type})` : ""}`;
  const fix = type === "authorized_user"
    ? "gcloud auth application-default login"
    : "check that the file is whole and its account is enabled";
  const oauth: OAuthOptions = { ...options, fix };
  if (type === "service_account") {
    const key = credentialsOf(ServiceAccountKey, content, tried, fix);
    return {
      type,
      account: key.client_email,
      fetchToken: () => serviceAccountToken(key, oauth),
      fetchIdToken: (audience, signal) => serviceAccountIdToken(key, audience, { ...oauth, signal }),
    };
  }
  if (type === "authorized_user") {
    const user = credentialsOf(AuthorizedUser, content, tried, fix);
    return {
      type,
      account: undefined,
      fetchToken: () => refreshedToken(user, oauth),
      fetchIdToken: withoutIdTokens(path, type),
    };
  }
  if (type === "impersonated_service_account") {
    const url = members["service_account_impersonation_url"];
    if (typeof url !== "string" || !URL.canParse(url) || !members["source_credentials"] || depth >= DEEPEST) {
      throw new Problem({ tried, got: "no service_account_impersonation_url with source_credentials", fix });
    }
    const target = { url, delegates: delegatesOf(members) };
    const source = credentialsFrom(members["source_credentials"], path, options, depth + 1);
    const sourceToken = keptToken(source.fetchToken, options.now);
    return {
      type,
      account: accountOf(url),
      fetchToken: async () => await impersonatedToken(await sourceToken(), target, oauth),
      fetchIdToken: async (audience, signal) =>
        await impersonatedIdToken(await sourceToken(), target, audience, { ...oauth, signal }),
    };
  }
  if (type === "external_account" || type === "external_account_authorized_user") {
    const federation = {
      tried: tried.replace("read Google credentials", "get a Google access token"),
      fix,
      limitMs: options.limitMs ?? LIBRARY_LIMIT_MS,
    };
    const { service_account_impersonation_url: url, ...own } = members;
    // The federated identity itself asks for the account's ID token: the account needs no right on itself.
    const ownToken = keptToken(federatedToken(own, federation), options.now);
    return {
      type,
      account: accountOf(url),
      fetchToken: federatedToken(members, federation),
      fetchIdToken: typeof url !== "string" ? withoutIdTokens(path, type) : async (audience, signal) => {
        const target = { url, delegates: delegatesOf(members) };
        return await impersonatedIdToken(await ownToken(), target, audience, { ...oauth, signal });
      },
    };
  }
  throw new Problem({
    tried,
    got: type ? "a type that is not known" : "a file without a type",
    fix: "use service_account, authorized_user, impersonated_service_account, external_account or " +
      "external_account_authorized_user",
  });
}

/** Google makes ID tokens for an audience of the caller's choice only for service accounts. */
function withoutIdTokens(path: string, type: string): AdcFile["fetchIdToken"] {
  return () =>
    Promise.reject(
      new Problem({
        tried: `get an ID token by ${path} (${type})`,
        got: "credentials that stand for no service account, and only those have ID tokens for a service",
        fix: type === "external_account"
          ? "make the file anew with an account: gcloud iam workload-identity-pools create-cred-config PROVIDER " +
            "--service-account EMAIL …"
          : "gcloud auth application-default login --impersonate-service-account EMAIL",
      }),
    );
}

/** `…/serviceAccounts/EMAIL:generateAccessToken` → EMAIL */
function accountOf(impersonationUrl: unknown): string | undefined {
  return /\/serviceAccounts\/([^/:]+):/.exec(typeof impersonationUrl === "string" ? impersonationUrl : "")?.[1];
}

function delegatesOf(members: Readonly<Record<string, unknown>>): string[] {
  return Array.isArray(members["delegates"]) ? members["delegates"].map(String) : [];
}

/** Whatever a file holds under these names, at any depth, is never shown. */
function registerSecretsOf(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    if (typeof member !== "string") registerSecretsOf(member);
    else if (/^(private_key|refresh_token|client_secret|access_token|id_token|passphrase)$/.test(key)) {
      registerSecret(member);
    }
  }
}
