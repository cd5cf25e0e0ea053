import type { Secret } from "../base/secret.ts";
import type { AccessToken } from "./metadata.ts";

/** Life a token must still have to be handed out. */
export const SPARE_MS = 60_000;

/** One token, kept while it has more than {@link SPARE_MS} left; one request for all who ask at once. */
export function keptToken(fetchToken: () => Promise<AccessToken>, now: () => number = Date.now): () => Promise<Secret> {
  let held: AccessToken | undefined;
  let asked: Promise<AccessToken> | undefined;
  return async () => {
    if (!held || held.expiresAt - now() < SPARE_MS) {
      asked ??= fetchToken().finally(() => asked = undefined);
      held = await asked;
    }
    return held.value;
  };
}
