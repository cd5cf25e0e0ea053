/**
 * A Kubernetes API server as krun and hgate need it: config maps, tokens of service accounts, authentication and RBAC; objects
 * that are listed, watched, applied and deleted.
 *
 * Wire facts: https://kubernetes.io/docs/reference/access-authn-authz/authentication/ (users and groups) and …/rbac/.
 */
import { randomUUID } from "node:crypto";
import { bearerToken } from "./access_tokens.ts";
import { type CertificateAuthority, type CertifiedKey, createAuthority } from "./certificates.ts";
import {
  type EmulatedAnswer,
  type EmulatedRequest,
  type HttpServer,
  jsonAnswer,
  startHttpServer,
} from "./http_server.ts";
import { createSigner, type TokenSigner, verifySignature } from "./json_web_token.ts";
import { answerDiscovery, objectPath } from "./kubernetes_kinds.ts";
import { bindingEscalation, escalation, isAllowed, type Permission, type User } from "./kubernetes_rbac.ts";
import { answerObjects, verbOf } from "./kubernetes_requests.ts";
import { answerReview } from "./kubernetes_reviews.ts";
import * as errors from "./kubernetes_status.ts";
import { ObjectStore, type StoredObject } from "./kubernetes_store.ts";
import { answerTokenRequest, type TokenPolicy } from "./token_request.ts";

export type { Permission } from "./kubernetes_rbac.ts";

/** What the server knows; may be changed while it runs. */
export interface KubernetesState extends TokenPolicy {
  /** The answer of /version. @default "v1.32.4-gke.1106006" */
  gitVersion: string;
  /** /readyz answers 500 when false. @default true */
  ready: boolean;
  permissions: Permission[];
  /** Taken from what is allowed. @default [] */
  denied: Permission[];
  /** Kinds that are not served for now, as `workloadgroups.networking.istio.io`. @default none */
  missingKinds: Set<string>;
  /** Whether namespaces are objects that live and end; otherwise any name is one. @default false */
  hasNamespaces: boolean;
  /** How long the end of a namespace takes. @default 0 */
  namespaceEndMs: number;
  /** Config maps by namespace and name: their `data`. */
  configMaps: Record<string, Record<string, Record<string, string>>>;
  /** Service accounts by namespace. */
  serviceAccounts: Record<string, string[]>;
  /** Static bearer tokens → user name. */
  tokens: Record<string, string>;
  /** Requests without credentials are `system:anonymous`; 401 when false. @default true */
  anonymous: boolean;
  /** What a pod's port answers by the API server's proxy, `NAMESPACE/POD:PORT` → path → answer. @default nothing listens */
  podPorts: Record<string, (path: string) => EmulatedAnswer>;
}

export interface KubernetesOptions extends Partial<KubernetesState> {
  /** Asked for tokens that `tokens` does not have; on GKE the owner of a Google access token. */
  userOfToken?: (token: string) => string | undefined;
  /** @default a new one */
  authority?: CertificateAuthority;
  /** @default one with a new key */
  signer?: TokenSigner;
}

/** How a kubeconfig user authenticates; a token only when no certificate is given. */
export type KubeconfigUser = { token: string } | CertifiedKey;

export interface KubernetesEmulator extends HttpServer {
  state: KubernetesState;
  /** Objects of all kinds; config maps of `state` are beside them. */
  objects: ObjectStore;
  /** The cluster's CA: signs the server's certificate and clients' (user = CN, groups = O). */
  authority: CertificateAuthority;
  /** The key of service account tokens. */
  signer: TokenSigner;
  /** A kubeconfig, in JSON (which is YAML), whose only context has this name. */
  kubeconfig(user: KubeconfigUser, context?: string): string;
}

/** Starts an API server on a free port, over TLS with HTTP/1.1. */
export async function startKubernetes(options: KubernetesOptions = {}): Promise<KubernetesEmulator> {
  const {
    userOfToken = () => undefined,
    authority = createAuthority("cluster-ca"),
    signer = createSigner(),
    ...given
  } = options;
  const state: KubernetesState = {
    gitVersion: "v1.32.4-gke.1106006",
    ready: true,
    permissions: [],
    denied: [],
    missingKinds: new Set(),
    hasNamespaces: false,
    namespaceEndMs: 0,
    configMaps: {},
    serviceAccounts: {},
    tokens: {},
    anonymous: true,
    podPorts: {},
    issuer: "https://kubernetes.default.svc.cluster.local",
    apiAudience: "https://kubernetes.default.svc",
    ...given,
  };
  const server = authority.issue({
    commonName: "kube-apiserver",
    subjectAltNames: ["127.0.0.1", "localhost", "kubernetes.default.svc"],
    lifetimeSeconds: 365 * 86_400,
  });
  const objects = new ObjectStore();
  const http = await startHttpServer({
    tls: { ...server, clientCaPem: authority.certificatePem },
    handle: (request) => {
      const user = authenticate(request, state, signer, userOfToken);
      if (!user) return errors.unauthorized();
      const permissions: string[] = [];
      const asks = new Asks(state, user, permissions);
      return { ...answer(request, asks, state, signer, objects), user: user.name, permissions };
    },
  });
  const kubeconfig = (user: KubeconfigUser, context = "emulator") => kubeconfigOf(http, authority, user, context);
  return { ...http, state, objects, authority, signer, kubeconfig };
}

function authenticate(
  request: EmulatedRequest,
  state: KubernetesState,
  signer: TokenSigner,
  userOfToken: (token: string) => string | undefined,
): User | undefined {
  if (request.clientSubject) {
    return authenticated(request.clientSubject.commonName, request.clientSubject.organizations);
  }
  const token = bearerToken(request.headers.authorization);
  if (token === undefined) {
    return state.anonymous ? { name: "system:anonymous", groups: ["system:unauthenticated"] } : undefined;
  }
  const known = Object.hasOwn(state.tokens, token) ? state.tokens[token] : undefined;
  const name = known ?? userOfToken(token) ?? serviceAccountOf(token, state, signer);
  return name === undefined ? undefined : authenticated(name, []);
}

function authenticated(name: string, groups: string[]): User {
  return { name, groups: [...groups, "system:authenticated"] };
}

/** The owner of a token this server made for itself; one for another audience, such as `istio-ca`, is not taken. */
function serviceAccountOf(token: string, state: KubernetesState, signer: TokenSigner): string | undefined {
  const claims = verifySignature(token, signer.jwks);
  const isForUs = claims && [claims.aud].flat().includes(state.apiAudience);
  return isForUs && (claims.exp ?? 0) * 1000 > Date.now() ? claims.sub : undefined;
}

/** What one request is asked to be allowed; each question is noted. */
class Asks {
  constructor(
    readonly state: Pick<KubernetesState, "permissions" | "denied">,
    readonly user: User,
    readonly noted: string[],
  ) {}

  isAllowed(what: errors.ResourceAttributes): boolean {
    const { verb, resource, subresource, namespace } = what;
    this.noted.push(`${verb} ${resource}${subresource ? `/${subresource}` : ""}${namespace ? ` in ${namespace}` : ""}`);
    return isAllowed(this.state, this.user, what);
  }
}

function answer(
  request: EmulatedRequest,
  asks: Asks,
  state: KubernetesState,
  signer: TokenSigner,
  objects: ObjectStore,
): EmulatedAnswer {
  const { pathname } = request.url;
  const text = { "content-type": "text/plain; charset=utf-8" };
  if (pathname === "/version" && request.method === "GET") {
    const [major = "1", minor = "32"] = state.gitVersion.replace(/^v/, "").split(".");
    return jsonAnswer(200, { major, minor, gitVersion: state.gitVersion, platform: "linux/amd64" });
  }
  if (pathname === "/readyz" && request.method === "GET") {
    return { status: state.ready ? 200 : 500, headers: text, body: state.ready ? "ok" : "readyz check failed" };
  }
  const { user } = asks;
  const isSomebody = user.groups.includes("system:authenticated");
  const discovery = isSomebody ? answerDiscovery(pathname, request.headers["accept"], state.missingKinds) : undefined;
  if (discovery) return discovery;
  const review = answerReview(request, state, user) ?? proxied(request, asks, state, objects);
  if (review) return review;
  const stored = storedAnswer(request, asks, state, objects);
  if (stored) return stored;
  const path = /^\/api\/v1\/namespaces\/([^/]+)\/(configmaps|serviceaccounts)\/([^/]+)(?:\/(token))?$/.exec(pathname);
  if (!path) {
    const isOpen = isAllowed(state, user, { verb: "*", resource: "*", namespace: "*", name: "*" });
    return isOpen ? errors.pathNotFound() : errors.forbiddenPath(user.name, request.method, pathname);
  }
  const [namespace = "", resource = "", name = "", subresource] = path.slice(1).map((part) =>
    part && decodeURIComponent(part)
  );
  const verb = VERBS[request.method] ?? request.method.toLowerCase();
  const what = { verb, resource, namespace, name, ...(subresource ? { subresource } : {}) };
  if (!asks.isAllowed(what)) return errors.forbidden(user.name, what);
  if (resource === "configmaps" && verb === "get" && !subresource) return configMap(state, namespace, name);
  if (resource !== "serviceaccounts" || verb !== "create" || !subresource) return errors.methodNotAllowed();
  const isThere = state.serviceAccounts[namespace]?.includes(name) || objects.row(resource, namespace, name);
  if (!isThere) return errors.objectNotFound("serviceaccounts", name);
  return answerTokenRequest(request, { namespace, name }, state, signer);
}

/** Answers for objects of the store; `undefined` for paths of another kind, and config maps that `state` has. */
function storedAnswer(
  request: EmulatedRequest,
  asks: Asks,
  state: KubernetesState,
  objects: ObjectStore,
): EmulatedAnswer | undefined {
  const path = objectPath(request.url.pathname, state.missingKinds);
  if (!path) return undefined;
  const { resource, group, name = "" } = path;
  // The authorizer takes a namespace to be in itself.
  const namespace = resource === "namespaces" ? name : path.namespace ?? "";
  const isInState = resource === "configmaps" && !objects.row(resource, namespace, name);
  if (isInState && request.method === "GET" && name) return undefined;
  const may = (verb: string) => {
    // The authorizer takes the name of a list or watch from its field selector.
    const selected = /^metadata\.name=(.*)$/.exec(request.url.searchParams.get("fieldSelector") ?? "")?.[1];
    const what = { verb, resource, group, namespace, name: verb === "create" ? "" : name || selected || "" };
    return asks.isAllowed(what) ? undefined : errors.forbidden(asks.user.name, { ...what, name });
  };
  const { hasNamespaces, namespaceEndMs } = state;
  const admit = (object: StoredObject) => {
    if (group !== "rbac.authorization.k8s.io") return undefined;
    if (resource === "roles") return escalation(object, asks.user, (what) => asks.isAllowed(what));
    // Not noted: who may bind needs no right that is in the Role, and the other way round.
    const may = (what: errors.ResourceAttributes) => isAllowed(state, asks.user, what);
    const roleOf = (namespace: string, name: string) => objects.row("roles", namespace, name)?.object;
    return resource === "rolebindings" ? bindingEscalation(object, asks.user, may, roleOf) : undefined;
  };
  return may(verbOf(request, path)) ?? answerObjects(request, path, objects, {
    may,
    admit,
    hasNamespaces,
    namespaceEndMs,
  });
}

/** https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/: to a port of a pod; `undefined` for other paths. */
function proxied(
  request: EmulatedRequest,
  asks: Asks,
  state: KubernetesState,
  objects: ObjectStore,
): EmulatedAnswer | undefined {
  const path = /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/:]+):(\d+)\/proxy(\/.*)$/.exec(request.url.pathname);
  if (!path || request.method !== "GET") return undefined;
  const [, namespace = "", name = "", port = "", target = ""] = path;
  const what = { verb: "get", resource: "pods", subresource: "proxy", namespace, name };
  if (!asks.isAllowed(what)) return errors.forbidden(asks.user.name, what);
  if (!objects.row("pods", namespace, name)) return errors.objectNotFound("pods", name);
  const words = `error trying to reach service: dial tcp 10.8.0.9:${port}: connect: connection refused`;
  return state.podPorts[`${namespace}/${name}:${port}`]?.(target) ?? errors.unavailable(words);
}

const VERBS: Record<string, string> = { GET: "get", POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" };

function configMap(state: KubernetesState, namespace: string, name: string): EmulatedAnswer {
  const data = state.configMaps[namespace]?.[name];
  if (!data) return errors.objectNotFound("configmaps", name);
  const metadata = {
    name,
    namespace,
    uid: randomUUID(),
    resourceVersion: "1",
    creationTimestamp: "2026-01-01T00:00:00Z",
  };
  return jsonAnswer(200, { kind: "ConfigMap", apiVersion: "v1", metadata, data });
}

function kubeconfigOf(
  http: HttpServer,
  authority: CertificateAuthority,
  user: KubeconfigUser,
  context: string,
): string {
  const credentials = "token" in user ? { token: user.token } : {
    "client-certificate-data": btoa(user.certificatePem),
    "client-key-data": btoa(user.privateKeyPem),
  };
  const cluster = { server: http.origin, "certificate-authority-data": btoa(authority.certificatePem) };
  return JSON.stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      "current-context": context,
      clusters: [{ name: context, cluster }],
      users: [{ name: context, user: credentials }],
      contexts: [{ name: context, context: { cluster: context, user: context } }],
    },
    null,
    2,
  );
}
