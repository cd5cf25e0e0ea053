import { type Answer, type Fetch, request, type RequestOptions, stream } from "../base/http.ts";
import { Problem } from "../base/errors.ts";
import { parseAs } from "../base/json.ts";
import { Secret } from "../base/secret.ts";
import { unlessMissing } from "../base/unless_missing.ts";
import * as v from "valibot";

/** How to reach an API server and as whom. */
export interface KubeAccess {
  /** For people: `GKE cluster istio-1 in us-central1`, `kubeconfig ~/.kube/config, context kind`. */
  readonly origin: string;
  /** `https://host[:port][/path]` */
  readonly server: string;
  /** CA of the server in PEM; without it the system's roots. */
  readonly ca?: string | undefined;
  /** Client certificate and key in PEM. */
  readonly certificate?: { cert: string; key: Secret } | undefined;
  /** Value of the `authorization` header, asked for before each request. */
  readonly authorization?: (() => Promise<Secret | undefined>) | undefined;
  readonly proxyUrl?: string | undefined;
  /** Who this is in the words of RBAC, for hints, e.g. an account's e-mail. */
  readonly user?: string | undefined;
}

/** A service account token as issued. */
export interface ServiceAccountToken {
  value: Secret;
  audience: string;
  /** Milliseconds since 1970; the server's word, which may be shorter or longer than what was asked for. */
  expiresAt: number;
  issuedAt: number;
}

export interface KubeOptions {
  fetch?: Fetch | undefined;
  now?: (() => number) | undefined;
  /** Limit of each try. @default {5000} */
  timeoutMs?: number | undefined;
  onRetry?: ((error: Error, waitMs: number) => void) | undefined;
}

const FIX_UNREACHABLE =
  "check that the API server's address can be reached from here (VPC egress, authorized networks)";

type Call = Pick<RequestOptions, "what" | "method" | "json" | "headers" | "tries" | "signal" | "timeoutMs" | "fix">;

const ConfigMap = v.object({ data: v.optional(v.record(v.string(), v.string()), {}) });
const TokenRequest = v.object({
  status: v.object({
    token: v.pipe(v.string(), v.minLength(1)),
    expirationTimestamp: v.pipe(v.string(), v.check((text) => !Number.isNaN(Date.parse(text)), "Expected a time")),
  }),
});

/**
 * Requests to an API server on the platform's fetch, and the calls that krun makes. client-node would cost krun's start 0.6 s and
 * 70 MB, and cannot be loaded in an executable of Deno 2.6 (its undici wants a newer runtime).
 */
export class KubeClient implements Disposable {
  readonly access: KubeAccess;
  readonly #options: KubeOptions;
  readonly #client: Deno.HttpClient;

  constructor(access: KubeAccess, options: KubeOptions = {}) {
    this.access = access;
    this.#options = options;
    try {
      this.#client = Deno.createHttpClient({
        ...(access.ca ? { caCerts: [access.ca] } : {}),
        ...(access.certificate ? { cert: access.certificate.cert, key: access.certificate.key.reveal() } : {}),
        ...(access.proxyUrl ? { proxy: { url: access.proxyUrl } } : {}),
      });
    } catch { // its words may hold parts of the key
      throw new Problem({
        tried: `connect to ${access.origin}`,
        got: "its CA or the client's certificate cannot be read",
        fix: "check that they are PEM",
      });
    }
  }

  /** Data of a config map; `undefined` where there is none of that name. */
  async configMap(
    namespace: string,
    name: string,
    call: Partial<Call> = {},
  ): Promise<Record<string, string> | undefined> {
    const what = `read config map ${namespace}/${name} on ${this.access.origin}`;
    const answer = await unlessMissing(this.request(`/api/v1/namespaces/${namespace}/configmaps/${name}`, {
      what,
      fix: (status) => this.#fix(status, "get", `configmaps/${name}`, namespace),
      ...call,
    }));
    return answer &&
      parseAs(ConfigMap, answer.text, what, `kubectl -n ${namespace} get configmap ${name} -o yaml`).data;
  }

  /** TokenRequest: a token of the service account for one audience. @param lifetimeSeconds at least 600 */
  async serviceAccountToken(
    account: { namespace: string; name: string },
    audience: string,
    lifetimeSeconds: number,
    call: Partial<Call> = {},
  ): Promise<ServiceAccountToken> {
    const { namespace, name } = account;
    const what =
      `get a token of service account ${namespace}/${name} for audience ${audience} on ${this.access.origin}`;
    const { text } = await this.request(`/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, {
      what,
      method: "POST",
      json: {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: { audiences: [audience], expirationSeconds: lifetimeSeconds },
      },
      fix: (status) =>
        status === 404
          ? `kubectl -n ${namespace} create serviceaccount ${name}, or set WORKLOAD_NAMESPACE and WORKLOAD_SERVICE_ACCOUNT`
          : this.#fix(status, "create", `serviceaccounts/token --resource-name=${name}`, namespace),
      ...call,
    });
    const { status } = parseAs(TokenRequest, text, what);
    return {
      value: new Secret(status.token),
      audience,
      expiresAt: Date.parse(status.expirationTimestamp),
      issuedAt: (this.#options.now ?? Date.now)(),
    };
  }

  async request(path: string, call: Call): Promise<Answer> {
    return await request(this.#url(path), {
      timeoutMs: this.#options.timeoutMs,
      fetch: this.#options.fetch,
      onRetry: this.#options.onRetry,
      fixUnreachable: FIX_UNREACHABLE,
      ...call,
      client: this.#client,
      headers: { ...await this.#headers(), ...call.headers },
    });
  }

  /**
   * A GET whose answer goes on, as a watch does. Aborting `signal` ends it at any time.
   * @throws {HttpError} any other status than 2xx  {UnreachableError} no answer within the limit
   */
  async stream(path: string, call: { what: string; signal: AbortSignal }): Promise<ReadableStream<Uint8Array>> {
    return await stream(this.#url(path), {
      ...call,
      timeoutMs: this.#options.timeoutMs,
      fetch: this.#options.fetch,
      fixUnreachable: FIX_UNREACHABLE,
      client: this.#client,
      headers: await this.#headers(),
    });
  }

  #url(path: string): string {
    return this.access.server.replace(/\/+$/, "") + path;
  }

  async #headers(): Promise<Record<string, string>> {
    const authorization = await this.access.authorization?.();
    return { accept: "application/json", ...(authorization ? { authorization: authorization.reveal() } : {}) };
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  /** The command that grants what a 403 says is missing. */
  #fix(status: number, verb: string, resource: string, namespace: string): string | undefined {
    if (status === 401) {
      return "the credentials were refused by the API server: check the account and the machine's clock";
    }
    if (status !== 403) return undefined;
    const [kind, name] = resource.split("/") as [string, string];
    const role = kind === "configmaps" ? "krun-mesh-env" : "krun-token";
    const rule = kind === "configmaps"
      ? `--verb=${verb} --resource=configmaps --resource-name=${name}`
      : `--verb=${verb} --resource=${resource}`;
    return `kubectl -n ${namespace} create role ${role} ${rule} && ` +
      `kubectl -n ${namespace} create rolebinding ${role} --role=${role} --user=${this.access.user ?? "ACCOUNT"}`;
  }
}
