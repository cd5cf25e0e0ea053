import { type Fetch, HttpError, request, type RequestOptions, UnreachableError } from "../base/http.ts";
import { parseAs } from "../base/json.ts";
import { Secret } from "../base/secret.ts";
import type { InstanceFacts } from "../settings/mod.ts";
import { type IdToken, type IdTokenSource, readIdToken } from "./id_token.ts";
import * as v from "valibot";

/** An access token and when it ends. */
export interface AccessToken {
  value: Secret;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

export interface MetadataOptions {
  /** `GCE_METADATA_HOST`. @default {"169.254.169.254"} */
  host?: string | undefined;
  /** How long a silent address is waited for before this is taken to be no Google Cloud. @default {500} */
  silenceMs?: number | undefined;
  fetch?: Fetch | undefined;
  now?: (() => number) | undefined;
}

const BASE = "/computeMetadata/v1/";
const IDENTITY_LIMIT_MS = 5_000;
/** With GKE's workload identity only a Google account has ID tokens. */
const NO_IDENTITY =
  "give the instance a service account; on GKE bind a Google account to this pod's: kubectl annotate serviceaccount NAME " +
  "iam.gke.io/gcp-service-account=EMAIL, and grant it to the pod's: gcloud iam service-accounts add-iam-policy-binding EMAIL " +
  "--role roles/iam.workloadIdentityUser --member 'serviceAccount:PROJECT.svc.id.goog[NAMESPACE/NAME]'";
const Token = v.object({ access_token: v.pipe(v.string(), v.minLength(1)), expires_in: v.number() });

/** Google's metadata server, https://cloud.google.com/compute/docs/metadata/overview. */
export class MetadataServer implements IdTokenSource {
  readonly address: string;
  readonly origin: string;
  readonly #options: MetadataOptions;

  constructor(options: MetadataOptions = {}) {
    this.address = options.host || "169.254.169.254"; // the address spares a look-up of metadata.google.internal
    this.origin = `metadata server ${this.address}`;
    this.#options = options;
  }

  /**
   * What it says of this instance; `undefined` where nothing answers in time: this is not Google Cloud.
   * @param silenceMs in place of the option
   */
  async facts(silenceMs?: number): Promise<InstanceFacts | undefined> {
    try {
      const [projectId, projectNumber, region, instanceId, account] = await Promise.all([
        this.#value("project/project-id", silenceMs),
        this.#value("project/numeric-project-id", silenceMs),
        this.#value("instance/region", silenceMs),
        this.#value("instance/id", silenceMs),
        this.#value("instance/service-accounts/default/email", silenceMs),
      ]);
      // `projects/NUM/regions/R`
      return {
        address: this.address,
        projectId,
        projectNumber,
        region: region?.split("/").at(-1),
        instanceId,
        account,
      };
    } catch (error) {
      if (error instanceof UnreachableError) return undefined;
      throw error;
    }
  }

  /** The GKE cluster that this instance is a node or pod of; nothing where it is none, or nothing answers. */
  async cluster(): Promise<{ name?: string | undefined; location?: string | undefined }> {
    try {
      const [name, location] = await Promise.all([
        this.#value("instance/attributes/cluster-name", undefined),
        this.#value("instance/attributes/cluster-location", undefined),
      ]);
      return { name, location };
    } catch (error) {
      if (error instanceof UnreachableError) return {};
      throw error;
    }
  }

  /** The instance's Google access token. */
  async accessToken(): Promise<AccessToken> {
    const { text, what } = await this.#get("instance/service-accounts/default/token");
    const token = parseAs(Token, text, what);
    const now = this.#options.now ?? Date.now;
    return { value: new Secret(token.access_token), expiresAt: now() + token.expires_in * 1_000 };
  }

  /** An ID token of the instance's account, https://cloud.google.com/compute/docs/instances/verifying-instance-identity. */
  async idToken(audience: string, options: { signal?: AbortSignal | undefined } = {}): Promise<IdToken> {
    const query = new URLSearchParams({ audience, format: "full" }); // full: with the account's e-mail address
    const { text, what } = await this.#get(`instance/service-accounts/default/identity?${query}`, {
      // GKE's own metadata server asks IAM first.
      timeoutMs: IDENTITY_LIMIT_MS,
      signal: options.signal,
      fix: (status) => status === 400 || status === 404 ? NO_IDENTITY : undefined,
    });
    return readIdToken(text, audience, what, this.#options.now);
  }

  /** A value as text; `undefined` where this instance has none (404), or none that is not empty. */
  async #value(path: string, silenceMs: number | undefined): Promise<string | undefined> {
    try {
      return (await this.#get(path, { timeoutMs: silenceMs })).text.trim() || undefined;
    } catch (error) {
      if (error instanceof HttpError && error.status === 404) return undefined;
      throw error;
    }
  }

  async #get(
    path: string,
    options: Pick<RequestOptions, "timeoutMs" | "signal" | "fix"> = {},
  ): Promise<{ text: string; what: string }> {
    const url = `http://${this.address}${BASE}${path}`;
    const [name] = path.split("?");
    const what = `read ${name} from the metadata server`;
    const answer = await request(url, {
      what,
      headers: { "metadata-flavor": "Google" },
      timeoutMs: options.timeoutMs ?? this.#options.silenceMs ?? 500,
      signal: options.signal,
      // A silent address is asked once; 429 and 503, usual early in an instance's life, are not silence.
      tries: 5,
      retryUnreachable: false,
      fetch: this.#options.fetch,
      fixUnreachable:
        "run on Google Cloud, or set GOOGLE_APPLICATION_CREDENTIALS, or: gcloud auth application-default login",
      fix: (status, body) =>
        status === 403
          ? "something between this program and the metadata server takes the Metadata-Flavor header away"
          : options.fix?.(status, body),
    });
    const tried = `${what} (GET http://${this.address}${BASE}${name})`;
    if (answer.headers.get("metadata-flavor") !== "Google") {
      throw new UnreachableError({ tried, got: "an answer that is not the metadata server's" });
    }
    return { text: answer.text, what: tried };
  }
}
