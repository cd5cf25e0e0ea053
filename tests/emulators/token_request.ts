/**
 * The `token` subresource of a Kubernetes service account.
 *
 * Wire facts: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/ and
 * k8s.io/kubernetes/pkg/apis/authentication/validation (the bounds of `expirationSeconds`).
 */
import { randomUUID } from "node:crypto";
import { type EmulatedAnswer, type EmulatedRequest, jsonAnswer } from "./http_server.ts";
import type { TokenSigner } from "./json_web_token.ts";
import { badRequest, invalid } from "./kubernetes_status.ts";
import { decodeTokenRequest, KUBERNETES_PROTOBUF } from "./token_request_protobuf.ts";

const GROUP = "authentication.k8s.io";
const API_VERSION = `${GROUP}/v1`;
const SHORTEST_SECONDS = 600;
const LONGEST_SECONDS = 2 ** 32;

/** What the cluster does with requests for tokens. */
export interface TokenPolicy {
  /** The `iss` of its tokens. */
  issuer: string;
  /** The audience of a token that was asked for without one; the API server itself takes tokens for this only. */
  apiAudience: string;
  /** When set, tokens live so long whatever was asked for: a real cluster may shorten or extend. */
  forcedTokenSeconds?: number;
}

/** 201 with a signed token for an existing service account, or what is wrong with the body. */
export function answerTokenRequest(
  incoming: EmulatedRequest,
  account: { namespace: string; name: string },
  policy: TokenPolicy,
  signer: TokenSigner,
): EmulatedAnswer {
  const isProtobuf = incoming.headers["content-type"] === KUBERNETES_PROTOBUF;
  const request = isProtobuf ? decodeTokenRequest(incoming.body) : parseObject(new TextDecoder().decode(incoming.body));
  if (!request) return badRequest("the object provided is unrecognized (must be of type TokenRequest)");
  const { apiVersion = API_VERSION, kind = "TokenRequest" } = request;
  if (apiVersion !== API_VERSION || kind !== "TokenRequest") {
    const complaint = `no kind "${kind}" is registered for version "${apiVersion}"`;
    return badRequest(`TokenRequest in version "v1" cannot be handled as a TokenRequest: ${complaint}`);
  }
  const spec = isObject(request.spec) ? request.spec : {};
  const { audiences = [], expirationSeconds = 3600 } = spec;
  if (!isListOfStrings(audiences) || typeof expirationSeconds !== "number") {
    return badRequest(`TokenRequest in version "v1" cannot be handled as a TokenRequest: json: cannot unmarshal spec`);
  }
  const complaint = complaintAbout(expirationSeconds);
  if (complaint) return invalid("TokenRequest", GROUP, "spec.expirationSeconds", complaint);
  return issue(audiences.length > 0 ? audiences : [policy.apiAudience], expirationSeconds, account, policy, signer);
}

function complaintAbout(seconds: number): string | undefined {
  const value = `Invalid value: ${seconds}`;
  if (seconds < SHORTEST_SECONDS) return `${value}: may not specify a duration less than 10 minutes`;
  if (seconds > LONGEST_SECONDS) return `${value}: may not specify a duration larger than 2^32 seconds`;
  return undefined;
}

function issue(
  audiences: string[],
  expirationSeconds: number,
  account: { namespace: string; name: string },
  policy: TokenPolicy,
  signer: TokenSigner,
): EmulatedAnswer {
  const issuedAt = Math.floor(Date.now() / 1000);
  const lifetimeSeconds = policy.forcedTokenSeconds ?? expirationSeconds;
  const expiresAt = issuedAt + lifetimeSeconds;
  const token = signer.sign({
    aud: audiences,
    exp: expiresAt,
    iat: issuedAt,
    nbf: issuedAt,
    iss: policy.issuer,
    jti: randomUUID(),
    "kubernetes.io": { namespace: account.namespace, serviceaccount: { name: account.name, uid: randomUUID() } },
    sub: `system:serviceaccount:${account.namespace}:${account.name}`,
  });
  return jsonAnswer(201, {
    kind: "TokenRequest",
    apiVersion: API_VERSION,
    metadata: { name: account.name, namespace: account.namespace, creationTimestamp: timestamp(issuedAt) },
    spec: { audiences, expirationSeconds: lifetimeSeconds, boundObjectRef: null },
    status: { token, expirationTimestamp: timestamp(expiresAt) },
  });
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
function timestamp(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isListOfStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
