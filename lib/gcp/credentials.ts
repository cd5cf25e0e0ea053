import type { Fetch } from "../base/http.ts";
import type { Secret } from "../base/secret.ts";
import { readAdcFile } from "./adc_file.ts";
import type { AccessToken, MetadataServer } from "./metadata.ts";

/** Who gives Google access tokens, and on whose behalf. */
export interface GoogleCredentials {
  /** For people: `metadata server 169.254.169.254`, `/path/key.json`. */
  readonly origin: string;
  /** A token with at least {@link SPARE_MS} of life left; cached until then, one request at a time. */
  accessToken(): Promise<Secret>;
}

/** Life a token must still have to be handed out. */
export const SPARE_MS = 60_000;

/** Application default credentials in Google's own order: the file named, gcloud's own file, the metadata server. */
export async function findCredentials(options: {
  /** `GOOGLE_APPLICATION_CREDENTIALS`; must be there when given. */
  file?: string | undefined;
  /** `CLOUDSDK_CONFIG`. @default {"$HOME/.config/gcloud"} */
  gcloudDirectory?: string | undefined;
  metadata: MetadataServer;
  fetch?: Fetch | undefined;
  now?: (() => number) | undefined;
}): Promise<GoogleCredentials> {
  if (options.file) return await fileCredentials(options.file, options);
  const own = options.gcloudDirectory ? `${options.gcloudDirectory}/application_default_credentials.json` : undefined;
  if (own && await isThere(own)) return await fileCredentials(own, options);
  return cached(`metadata server ${options.metadata.address}`, () => options.metadata.accessToken(), options.now);
}

async function fileCredentials(
  path: string,
  options: { fetch?: Fetch | undefined; now?: (() => number) | undefined },
): Promise<GoogleCredentials> {
  const { type, fetchToken } = await readAdcFile(path, options);
  return cached(`${path} (${type})`, fetchToken, options.now);
}

/** One token at a time, kept while it has more than {@link SPARE_MS} left. */
function cached(
  origin: string,
  fetchToken: () => Promise<AccessToken>,
  now: () => number = Date.now,
): GoogleCredentials {
  let held: AccessToken | undefined;
  let asked: Promise<AccessToken> | undefined;
  return {
    origin,
    async accessToken() {
      if (!held || held.expiresAt - now() < SPARE_MS) {
        asked ??= fetchToken().finally(() => asked = undefined);
        held = await asked;
      }
      return held.value;
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
