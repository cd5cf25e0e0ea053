import { Problem, reasonOf } from "../base/errors.ts";
import { redact, Secret } from "../base/secret.ts";
import { type AccessToken, MetadataServer } from "./metadata.ts";

/** Who gives Google access tokens, and on whose behalf. */
export interface GoogleCredentials {
  /** For people: `metadata server 169.254.169.254`, `/path/key.json`. */
  readonly origin: string;
  /** A token with at least {@link SPARE_MS} of life left; cached until then, one request at a time. */
  accessToken(): Promise<Secret>;
}

/** Life a token must still have to be handed out. */
export const SPARE_MS = 60_000;
const SCOPE = "https://www.googleapis.com/auth/cloud-platform";

/** Application default credentials in Google's own order: the file named, gcloud's own file, the metadata server. */
export async function findCredentials(options: {
  /** `GOOGLE_APPLICATION_CREDENTIALS`; must be there when given. */
  file?: string | undefined;
  /** `CLOUDSDK_CONFIG`. @default {"$HOME/.config/gcloud"} */
  gcloudDirectory?: string | undefined;
  metadata: MetadataServer;
}): Promise<GoogleCredentials> {
  if (options.file) return await fileCredentials(options.file);
  const own = options.gcloudDirectory ? `${options.gcloudDirectory}/application_default_credentials.json` : undefined;
  if (own && await isThere(own)) return await fileCredentials(own);
  return cached(`metadata server ${options.metadata.address}`, () => options.metadata.accessToken());
}

/** Any kind of credentials file that google-auth-library knows; the library is loaded only here, since it is large. */
async function fileCredentials(path: string): Promise<GoogleCredentials> {
  const tried = `read Google credentials from ${path}`;
  let content: { type?: string };
  try {
    content = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    throw new Problem({
      tried,
      got: error instanceof SyntaxError ? "a file that is no JSON" : reasonOf(error),
      fix: "set GOOGLE_APPLICATION_CREDENTIALS to a credentials file, or run: gcloud auth application-default login",
    });
  }
  for (const key of ["private_key", "refresh_token", "client_secret"]) {
    const value = (content as Record<string, unknown>)[key];
    if (typeof value === "string") new Secret(value);
  }
  const { GoogleAuth } = await import("google-auth-library");
  const origin = `${path} (${content.type ?? "no type"})`;
  const failed = (error: unknown) =>
    new Problem({
      tried: `get a Google access token from ${origin}`,
      got: redact(reasonOf(error)),
      fix: content.type === "authorized_user"
        ? "gcloud auth application-default login"
        : "check that the file is whole and its account is enabled",
      cause: error,
    });
  let client: Awaited<ReturnType<InstanceType<typeof GoogleAuth>["getClient"]>>;
  try {
    client = await new GoogleAuth({ keyFilename: path, scopes: [SCOPE] }).getClient();
  } catch (error) {
    throw failed(error);
  }
  return cached(origin, async () => {
    try {
      const { token } = await client.getAccessToken();
      if (!token) throw new Error("an answer without a token");
      return { value: new Secret(token), expiresAt: client.credentials.expiry_date ?? Date.now() + 5 * 60_000 };
    } catch (error) {
      throw failed(error);
    }
  });
}

/** One token at a time, kept while it has more than {@link SPARE_MS} left. */
function cached(
  origin: string,
  fetchToken: () => Promise<AccessToken>,
  now: () => number = Date.now,
): GoogleCredentials {
  let held: Promise<AccessToken> | undefined;
  return {
    origin,
    async accessToken() {
      const current = await held?.catch(() => undefined);
      if (!current || current.expiresAt - now() < SPARE_MS) {
        const fresh = fetchToken();
        held = fresh;
        fresh.catch(() => held === fresh && (held = undefined));
      }
      return (await held!).value;
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
