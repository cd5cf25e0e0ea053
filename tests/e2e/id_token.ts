import { createSign, generateKeyPairSync } from "node:crypto";

/** A signer of ID tokens in Google's form, and its public key for who checks them. */
export function tokenSigner(): { jwk: object; idToken: (audience: string) => string } {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const encode = (value: object) =>
    btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return {
    jwk: { ...publicKey.export({ format: "jwk" }), kid: "e2e", use: "sig", alg: "RS256" },
    idToken(audience) {
      const now = Math.floor(Date.now() / 1_000);
      const head = encode({ alg: "RS256", kid: "e2e", typ: "JWT" });
      const claims = encode({
        aud: audience,
        iss: "https://accounts.google.com",
        sub: "1",
        email: "e2e@example.com",
        iat: now,
        exp: now + 3_600,
      });
      const signature = createSign("RSA-SHA256").update(`${head}.${claims}`).sign(privateKey, "base64url");
      return `${head}.${claims}.${signature}`;
    },
  };
}
