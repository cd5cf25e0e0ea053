import assert from "node:assert/strict";
import * as fc from "fast-check";
import { Problem } from "../base/errors.ts";
import { readIdToken } from "./id_token.ts";

const AUDIENCE = "https://web-abc-uc.a.run.app";
const NOW = 1_700_000_000;
const part = (value: unknown) =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value))
    .toBase64({ alphabet: "base64url", omitPadding: true });
const token = (claims: unknown) => `${part({ alg: "RS256" })}.${part(claims)}.c2ln`;
const good = { aud: AUDIENCE, iat: NOW - 600, exp: NOW + 3_000 };
const read = (text: string) => readIdToken(text, AUDIENCE, "ask", () => NOW * 1_000);

Deno.test("ID token: its times are its own", () => {
  const { value, issuedAt, expiresAt } = read(`${token(good)}\n`);
  assert.deepEqual([value.reveal(), issuedAt, expiresAt], [token(good), (NOW - 600) * 1_000, (NOW + 3_000) * 1_000]);
});

Deno.test("ID token: where this clock is behind, a token is not taken to live longer than it does", () => {
  const { issuedAt, expiresAt } = read(token({ aud: AUDIENCE, iat: NOW + 1_200, exp: NOW + 4_800 }));
  assert.deepEqual([issuedAt, expiresAt], [NOW * 1_000, (NOW + 3_600) * 1_000]);
});

const REFUSED: [name: string, text: string, got: string][] = [
  ["nothing", "", "an answer that is no ID token"],
  ["a page", "<html>welcome</html>", "an answer that is no ID token"],
  ["two parts", token(good).split(".").slice(0, 2).join("."), "an answer that is no ID token"],
  ["a line break inside", token(good).replace(".", ".\r\nx: "), "an answer that is no ID token"],
  ["longer than any header", `${token(good)}${"a".repeat(20_000)}`, "an answer that is no ID token"],
  ["claims that are no JSON", token("{"), "an ID token whose claims cannot be read"],
  ["claims that are no object", token("1"), "an ID token whose claims cannot be read"],
  ["a part that is no base64", `a.${"a".repeat(5)}.a`, "an ID token whose claims cannot be read"],
  ["no end", token({ ...good, exp: undefined }), "an ID token whose claims cannot be read"],
  ["several audiences", token({ ...good, aud: [AUDIENCE] }), "an ID token whose claims cannot be read"],
  [
    "another audience",
    token({ ...good, aud: "https://evil.a.run.app" }),
    "an ID token that is made for another audience",
  ],
  ["an end that is now", token({ ...good, exp: NOW }), "an ID token that has ended\n  do: check this machine's clock"],
];
for (const [name, text, got] of REFUSED) {
  Deno.test(`ID token: ${name} is refused`, () => {
    assert.throws(() => read(text), { name: "Problem", message: `ask\n  got: ${got}` });
  });
}

Deno.test("ID token: any text is a token or a Problem, which does not show it", () => {
  const texts = fc.oneof(fc.string({ maxLength: 200 }), fc.string({ maxLength: 60 }).map((claims) => token(claims)));
  fc.assert(fc.property(texts, (text) => {
    try {
      read(text);
    } catch (error) {
      assert(error instanceof Problem);
      assert(text.trim().length < 12 || !error.message.includes(text.trim()));
    }
  }));
});
