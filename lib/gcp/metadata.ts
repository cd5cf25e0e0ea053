import { type Fetch, HttpError, request, UnreachableError } from "../base/http.ts";
import { parseAs } from "../base/json.ts";
import { Secret } from "../base/secret.ts";
import type { InstanceFacts } from "../settings/mod.ts";
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
const Token = v.object({ access_token: v.pipe(v.string(), v.minLength(1)), expires_in: v.number() });

/** Google's metadata server, https://cloud.google.com/compute/docs/metadata/overview. */
export class MetadataServer {
  readonly address: string;
  readonly #options: MetadataOptions;

  constructor(options: MetadataOptions = {}) {
    this.address = options.host || "169.254.169.254"; // the address spares a look-up of metadata.google.internal
    this.#options = options;
  }

  /** What it says of this instance; `undefined` where nothing answers in time: this is not Google Cloud. */
  async facts(): Promise<InstanceFacts | undefined> {
    try {
      const [projectId, projectNumber, region, instanceId, account] = await Promise.all([
        this.#value("project/project-id"),
        this.#value("project/numeric-project-id"),
        this.#value("instance/region"),
        this.#value("instance/id"),
        this.#value("instance/service-accounts/default/email"),
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

  /** The instance's Google access token. */
  async accessToken(): Promise<AccessToken> {
    const { text, what } = await this.#get("instance/service-accounts/default/token");
    const token = parseAs(Token, text, what);
    const now = this.#options.now ?? Date.now;
    return { value: new Secret(token.access_token), expiresAt: now() + token.expires_in * 1_000 };
  }

  /** A value as text; `undefined` where this instance has none (404), or none that is not empty. */
  async #value(path: string): Promise<string | undefined> {
    try {
      return (await this.#get(path)).text.trim() || undefined;
    } catch (error) {
      if (error instanceof HttpError && error.status === 404) return undefined;
      throw error;
    }
  }

  async #get(path: string): Promise<{ text: string; what: string }> {
    const url = `http://${this.address}${BASE}${path}`;
    const what = `read ${path} from the metadata server`;
    const limit = this.#options.silenceMs ?? 500;
    const answer = await request(url, {
      what,
      headers: { "metadata-flavor": "Google" },
      timeoutMs: limit,
      // A silent address is asked once; 429 and 503, usual early in an instance's life, are not silence.
      tries: 5,
      retryUnreachable: false,
      fetch: this.#options.fetch,
      fixUnreachable:
        "run on Google Cloud, or set GOOGLE_APPLICATION_CREDENTIALS, or: gcloud auth application-default login",
      fix: (status) =>
        status === 403
          ? "something between krun and the metadata server takes the Metadata-Flavor header away"
          : undefined,
    });
    if (answer.headers.get("metadata-flavor") !== "Google") {
      throw new UnreachableError({ tried: `${what} (GET ${url})`, got: "an answer that is not the metadata server's" });
    }
    return { text: answer.text, what: `${what} (GET ${url})` };
  }
}
