import { Problem } from "../../base/errors.ts";
import { ORIGIN_FORM } from "../../http2/mod.ts";
import type { GateRoutes, TunnelRoute } from "../route.ts";

/** @throws {Problem} the first route whose URL or path no request can be sent to */
export function checkRoutes({ tunnels }: GateRoutes, allowCleartext: boolean): void {
  for (const route of tunnels) {
    const got = faultOf(route, allowCleartext);
    if (got) {
      throw new Problem({ tried: `route ${route.service} to ${route.url}`, got, fix: "correct its registration" });
    }
  }
}

function faultOf({ url, path }: TunnelRoute, allowCleartext: boolean): string | undefined {
  const { protocol, username, password } = URL.parse(url) ?? {};
  if (protocol !== "https:" && !(allowCleartext && protocol === "http:")) return "it is no https URL";
  if (username || password) return "the URL holds a user or password";
  return ORIGIN_FORM.test(path) ? undefined : `${JSON.stringify(path)} is no path of a request`;
}
