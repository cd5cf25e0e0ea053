/** Base64 of a text's UTF-8. */
export function encodeBase64(text: string): string {
  return btoa(String.fromCodePoint(...new TextEncoder().encode(text)));
}

/** UTF-8 text of a base64 value. @throws {SyntaxError} for anything else */
export function decodeBase64(data: string): string {
  let binary: string;
  try {
    binary = atob(data.trim());
  } catch {
    throw new SyntaxError("not base64");
  }
  return new TextDecoder().decode(Uint8Array.from(binary, (char) => char.charCodeAt(0)));
}

/** UTF-8 text of a base64url value without padding, as in a JWT. @throws {TypeError | SyntaxError} for anything else */
export function decodeBase64Url(data: string): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.fromBase64(data, { alphabet: "base64url" }));
}
