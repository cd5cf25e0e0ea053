import assert from "node:assert/strict";
import fc from "fast-check";
import { redact, registerSecret, Secret } from "./secret.ts";

Deno.test("a secret shows itself to nobody who does not ask", () => {
  const secret = new Secret("s3cr3t-value-of-it");
  assert.equal(`${secret}`, "[secret]");
  assert.equal(JSON.stringify({ secret }), '{"secret":"[secret]"}');
  assert.equal(Deno.inspect({ secret }), "{ secret: [secret] }");
  assert.equal(secret.reveal(), "s3cr3t-value-of-it");
  assert.equal(redact("it is s3cr3t-value-of-it."), "it is [secret].");
});

const CASES: [name: string, text: string, redacted: string][] = [
  ["a JWT", "got eyJhbGciOi.eyJpc3MiOi.c2lnbmF0dXJl back", "got [token] back"],
  ["a Google access token", "ya29.c.b0Aaek-_x was refused", "[token] was refused"],
  ["a bearer header", "authorization: Bearer abcdef0123456789", "authorization: Bearer [token]"],
  ["a basic header", "Authorization: basic dXNlcjpwYXNzd29yZA==", "Authorization: basic [token]"],
  ["a private key", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nx", "[private key]\nx"],
  ["a private key that breaks off", "a -----BEGIN PRIVATE KEY-----\nMIIE", "a [private key]"],
  ["a password in a URL", "http://user:hunter2@proxy:3128/x", "http://[secret]@proxy:3128/x"],
  ["a certificate is no secret", "-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"],
  ["ordinary text", "the bearer of bad news", "the bearer of bad news"],
];
for (const [name, text, redacted] of CASES) {
  Deno.test(`redact: ${name}`, () => assert.equal(redact(text), redacted));
}

Deno.test("redact: a secret that holds a shorter one goes whole", () => {
  registerSecret("shorter-one");
  registerSecret("a-shorter-one-and-more");
  assert.equal(redact("x a-shorter-one-and-more y"), "x [secret] y");
});

Deno.test("redact: values too short to be told from ordinary text stay", () => {
  registerSecret("default");
  assert.equal(redact("namespace default"), "namespace default");
});

Deno.test("redact: no registered secret gets through, whatever stands around it", () => {
  const secret = fc.string({ minLength: 8, maxLength: 40 }).filter((value) => !"[secret][token]".includes(value));
  fc.assert(
    fc.property(fc.array(secret, { minLength: 1, maxLength: 4 }), fc.string(), fc.string(), (all, left, right) => {
      for (const value of all) registerSecret(value);
      const text = redact(all.map((value) => left + value + right).join("\n"));
      for (const value of all) assert(!text.includes(value), `${JSON.stringify(value)} in ${JSON.stringify(text)}`);
    }),
    { numRuns: 200 },
  );
});
