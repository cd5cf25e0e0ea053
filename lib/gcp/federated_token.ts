import { namesOf } from "../base/common_js.ts";
import { Problem, reasonOf } from "../base/errors.ts";
import { redact, Secret } from "../base/secret.ts";
import type { AccessToken } from "./metadata.ts";

const SCOPE = "https://www.googleapis.com/auth/cloud-platform";

/**
 * Access tokens by workload or workforce identity federation, which has many forms: the one place that loads google-auth-library.
 * @throws {Problem} from what is returned
 */
export function federatedToken(
  credentials: Readonly<Record<string, unknown>>,
  { tried, fix, limitMs }: { tried: string; fix: string; limitMs: number },
): () => Promise<AccessToken> {
  type Client = { getAccessToken(): Promise<{ token?: string | null }>; credentials: { expiry_date?: number | null } };
  let client: Promise<Client> | undefined;
  const load = async (): Promise<Client> => {
    const { GoogleAuth } = namesOf(await import("google-auth-library"));
    return await new GoogleAuth({ credentials, scopes: [SCOPE] }).getClient();
  };
  return async (): Promise<AccessToken> => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
    });
    try {
      const found = await Promise.race([client ??= load(), tooLate]);
      const { token } = await Promise.race([found.getAccessToken(), tooLate]);
      if (!token) throw new Error("an answer without a token");
      // Some of its clients keep to themselves when a token ends: they are asked each time, and answer from their own cache.
      return { value: new Secret(token), expiresAt: found.credentials.expiry_date ?? 0 };
    } catch (error) {
      client = undefined;
      throw new Problem({ tried, got: redact(reasonOf(error)), fix, cause: error });
    } finally {
      clearTimeout(timer);
    }
  };
}
