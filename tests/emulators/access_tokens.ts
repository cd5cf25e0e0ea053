/** The OAuth 2 access tokens of the emulated Google: who each belongs to and until when. */
import { randomBytes } from "node:crypto";

/** Shared by the metadata emulator, which hands tokens out, and by the APIs, which ask whose they are. */
export class AccessTokens {
  readonly #owners = new Map<string, { email: string; expiresAtMs: number }>();

  /** A new token of `email`, opaque and with the prefix of real ones. */
  issue(email: string, lifetimeSeconds = 3600): string {
    const token = `ya29.c.${randomBytes(24).toString("base64url")}`;
    this.add(token, email, lifetimeSeconds);
    return token;
  }

  /** Makes a token of the caller's choice valid. */
  add(token: string, email: string, lifetimeSeconds = 3600): void {
    this.#owners.set(token, { email, expiresAtMs: Date.now() + lifetimeSeconds * 1000 });
  }

  /** From now on `token` is refused everywhere. */
  revoke(token: string): void {
    this.#owners.delete(token);
  }

  /** The e-mail address behind a token, undefined when it is unknown or has expired. */
  ownerOf(token: string): string | undefined {
    const owner = this.#owners.get(token);
    return owner && owner.expiresAtMs > Date.now() ? owner.email : undefined;
  }
}

/** The token of an `authorization: Bearer …` header. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
}
