import { Http1Error } from "./errors.ts";
import { AUTHORITY, ORIGIN_FORM } from "../../http2/mod.ts";

/** What a request line asks for, and of whom where it says so. */
export interface Target {
  /** Origin form, or `*`. */
  path: string;
  authority: string | undefined;
}

/** Takes a request target apart; the absolute form becomes origin form and authority (RFC 9112 section 3.2.2). @throws {Http1Error} */
export function parseTarget(method: string, target: string): Target {
  if (ORIGIN_FORM.test(target) || (target === "*" && method === "OPTIONS")) {
    return { path: target, authority: undefined };
  }
  const [, authority, rest] = /^https?:\/\/([^/?#]+)([/?]?.*)$/i.exec(target) ?? [];
  const path = rest === undefined || rest.startsWith("/") ? rest || "/" : `/${rest}`;
  if (!authority || !AUTHORITY.test(authority) || !ORIGIN_FORM.test(path)) {
    throw new Http1Error(400, "bad request target");
  }
  return { path, authority };
}
