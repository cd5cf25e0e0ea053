import type { Secret } from "../../base/secret.ts";
import type { IdTokens } from "../route.ts";

/** A source may give the same token again; who refuses it then is heard again after this long. */
const AGAIN_MS = 1_000;

/** Drops each refused token once: many tunnels at once may be told of the same, and the next token is not the refused one. */
export class RefusedTokens {
  readonly #tokens: Pick<IdTokens, "drop">;
  readonly #nowMs: () => number;
  readonly #last = new Map<string, { token: Secret; atMs: number }>();

  constructor(tokens: Pick<IdTokens, "drop">, nowMs: () => number = () => performance.now()) {
    this.#tokens = tokens;
    this.#nowMs = nowMs;
  }

  drop(audience: string, token: Secret): void {
    const last = this.#last.get(audience);
    const atMs = this.#nowMs();
    if (last?.token.reveal() === token.reveal() && atMs - last.atMs < AGAIN_MS) return;
    this.#last.set(audience, { token, atMs });
    this.#tokens.drop(audience);
  }
}
