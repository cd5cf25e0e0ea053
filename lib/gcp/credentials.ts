import type { Fetch } from "../base/http.ts";
import type { Secret } from "../base/secret.ts";
import { readAdcFile } from "./adc_file.ts";
import { type IdTokenSource, readIdToken } from "./id_token.ts";
import { keptToken } from "./kept_token.ts";
import type { MetadataServer } from "./metadata.ts";

/** Who gives Google access tokens, and on whose behalf. */
export interface GoogleCredentials {
  /** For people: `metadata server 169.254.169.254`, `/path/key.json`. */
  readonly origin: string;
  /** They are a person's, and belong to no project. @default {false} */
  readonly isPersonal?: boolean;
  /** E-mail of the service account that they are of, where a file says it: the metadata server is asked for its own. */
  readonly account?: string | undefined;
  /** A token with at least a minute of life left; cached until then, one request at a time. */
  accessToken(): Promise<Secret>;
}

/** Application default credentials in Google's own order: the file named, gcloud's own file, the metadata server. */
export async function findCredentials(options: {
  /** `GOOGLE_APPLICATION_CREDENTIALS`; must be there when given. */
  file?: string | undefined;
  /** {@link gcloudDirectory} of the environment. */
  gcloudDirectory?: string | undefined;
  metadata: MetadataServer;
  fetch?: Fetch | undefined;
  now?: (() => number) | undefined;
}): Promise<GoogleCredentials & IdTokenSource> {
  if (options.file) return await fileCredentials(options.file, options);
  const own = options.gcloudDirectory ? `${options.gcloudDirectory}/application_default_credentials.json` : undefined;
  if (own && await isThere(own)) return await fileCredentials(own, options);
  const { metadata } = options;
  return {
    origin: metadata.origin,
    accessToken: keptToken(() => metadata.accessToken(), options.now),
    idToken: (audience, asked) => metadata.idToken(audience, asked),
  };
}

/** Where gcloud keeps its own credentials. */
export function gcloudDirectory(environment: Readonly<Record<string, string | undefined>>): string | undefined {
  return environment["CLOUDSDK_CONFIG"] ?? (environment["HOME"] ? `${environment["HOME"]}/.config/gcloud` : undefined);
}

async function fileCredentials(
  path: string,
  options: { fetch?: Fetch | undefined; now?: (() => number) | undefined },
): Promise<GoogleCredentials & IdTokenSource> {
  const { type, account, fetchToken, fetchIdToken } = await readAdcFile(path, options);
  const origin = `${path} (${type})`;
  return {
    origin,
    account,
    isPersonal: type === "authorized_user",
    accessToken: keptToken(fetchToken, options.now),
    async idToken(audience, { signal } = {}) {
      return readIdToken(await fetchIdToken(audience, signal), audience, `get an ID token by ${origin}`, options.now);
    },
  };
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}
