/**
 * The IAM Credentials API, iamcredentials.googleapis.com: access and ID tokens of service accounts for those who may act for them.
 *
 * Wire facts: https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts
 */
import type { AccessTokens } from "./access_tokens.ts";
import { type GoogleApi, googleError, startGoogleApi } from "./google_api.ts";
import { type EmulatedAnswer, type EmulatedRequest, jsonAnswer } from "./http_server.ts";
import { type Claims, idTokenClaims, type TokenSigner } from "./json_web_token.ts";

/** What the API answers; may be changed while it runs. */
export interface IamCredentialsState {
  /** E-mail addresses of the accounts there are. */
  accounts: string[];
  /** Lifetime of ID tokens; Google's live an hour. @default 3600 */
  idTokenSeconds: number;
  /** Claims in place of the usual ones. @default {} */
  idTokenClaims: Claims;
}

export interface IamCredentialsOptions extends Partial<IamCredentialsState> {
  accessTokens: AccessTokens;
  /** Google's key for ID tokens. */
  signer: TokenSigner;
}

export interface IamCredentialsEmulator extends GoogleApi {
  state: IamCredentialsState;
}

/** Starts the API on a free port. */
export async function startIamCredentials(options: IamCredentialsOptions): Promise<IamCredentialsEmulator> {
  const { accessTokens, signer, ...given } = options;
  const state: IamCredentialsState = { accounts: [], idTokenSeconds: 3600, idTokenClaims: {}, ...given };
  const method = (verb: string, permission: string, make: (email: string, fields: Fields) => EmulatedAnswer) => ({
    method: "POST",
    path: new RegExp(`^/v1/projects/-/serviceAccounts/([^/:]+):${verb}$`),
    permission,
    handle: ([email = ""]: string[], request: EmulatedRequest) => {
      const fields = fieldsOf(request);
      if (!fields) return googleError(400, "Invalid JSON payload received.");
      if (!state.accounts.includes(email)) return googleError(404, "Not found; Gaia id not found for email " + email);
      return make(email, fields);
    },
  });
  const api = await startGoogleApi(accessTokens, [
    method("generateIdToken", "iam.serviceAccounts.getOpenIdToken", (email, fields) => {
      const unknown = unknownField(fields, ["audience", "includeEmail", "delegates", "organizationNumberIncluded"]);
      if (unknown) return unknown;
      const { audience, includeEmail } = fields;
      if (typeof audience !== "string" || audience === "") {
        return googleError(400, "Request contains an invalid argument.");
      }
      const claims = idTokenClaims(audience, includeEmail === true ? email : undefined, state.idTokenSeconds);
      return jsonAnswer(200, { token: signer.sign({ ...claims, ...state.idTokenClaims }) });
    }),
    method("generateAccessToken", "iam.serviceAccounts.getAccessToken", (email, fields) => {
      const unknown = unknownField(fields, ["scope", "lifetime", "delegates"]);
      if (unknown) return unknown;
      const seconds = /^(\d+)s$/.exec(String(fields["lifetime"] ?? "3600s"))?.[1];
      if (!Array.isArray(fields["scope"]) || fields["scope"].length === 0 || !seconds) {
        return googleError(400, "Request contains an invalid argument.");
      }
      return jsonAnswer(200, {
        accessToken: accessTokens.issue(email, Number(seconds)),
        expireTime: new Date(Date.now() + Number(seconds) * 1000).toISOString(),
      });
    }),
  ]);
  return { ...api, state };
}

type Fields = Record<string, unknown>;

function fieldsOf(request: EmulatedRequest): Fields | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(request.body));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** Google refuses names it does not know. */
function unknownField(fields: Fields, known: string[]): EmulatedAnswer | undefined {
  const unknown = Object.keys(fields).find((name) => !known.includes(name));
  if (unknown === undefined) return undefined;
  return googleError(400, `Invalid JSON payload received. Unknown name "${unknown}": Cannot find field.`);
}
