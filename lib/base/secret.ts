/** Values that must never be printed: every secret that enters the program is registered here, and all output passes {@link redact}. */
const registered = new Set<string>();
const MOST_REMEMBERED = 1_000;
const SHORTEST = 8;

/** Things that are secrets whatever their value: JWTs, Google access tokens, private keys, bearer headers, passwords in URLs. */
const PATTERNS: readonly [RegExp, string][] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, "[private key]"],
  [/\beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?/g, "[token]"],
  [/\bya29\.[\w.-]+/g, "[token]"],
  [/\b(bearer|basic) +[\w.~+/=-]{8,}/gi, "$1 [token]"],
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, "$1[secret]@"],
];

/** A value that shows itself only to who asks for it by {@link Secret.reveal}. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
    registerSecret(value);
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [Symbol.for("Deno.customInspect")](): string {
    return "[secret]";
  }
}

/** Remembers `value` so that {@link redact} removes it; values under 8 characters would hide ordinary text and are not taken. */
export function registerSecret(value: string): void {
  if (value.length < SHORTEST) return;
  registered.delete(value);
  registered.add(value);
  if (registered.size > MOST_REMEMBERED) registered.delete(registered.values().next().value!);
}

/** `text` without any registered secret and without anything that looks like a token or private key. */
export function redact(text: string): string {
  // The longest first: a secret may hold a shorter one, whose removal would leave the rest.
  const found = [...registered].filter((value) => text.includes(value)).sort((a, b) => b.length - a.length);
  for (const value of found) text = text.replaceAll(value, "[secret]");
  for (const [pattern, replacement] of PATTERNS) text = text.replace(pattern, replacement);
  return text;
}
