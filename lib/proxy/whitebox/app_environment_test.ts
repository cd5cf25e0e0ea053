import { deepEqual, equal } from "node:assert/strict";
import { whiteboxAppEnvironment } from "./app_environment.ts";

const OWN = "localhost,127.0.0.1,::1,169.254.169.254,metadata.google.internal";

Deno.test("points the app at the proxy in both spellings", () => {
  const mesh = "http://127.0.0.1:15007";
  deepEqual(whiteboxAppEnvironment({}), {
    HTTP_PROXY: mesh,
    http_proxy: mesh,
    HTTPS_PROXY: mesh,
    https_proxy: mesh,
    NO_PROXY: OWN,
    no_proxy: OWN,
  });
  equal(whiteboxAppEnvironment({}, 16000)["HTTPS_PROXY"], "http://127.0.0.1:16000");
});

Deno.test("keeps a proxy that the user set, for that scheme and in both spellings", () => {
  const given = whiteboxAppEnvironment({ https_proxy: "http://egress:3128", HTTP_PROXY: "" });
  equal(given["HTTPS_PROXY"], "http://egress:3128");
  equal(given["https_proxy"], "http://egress:3128");
  equal(given["HTTP_PROXY"], "http://127.0.0.1:15007");
});

Deno.test("adds to the user's NO_PROXY, once each", () => {
  const given = whiteboxAppEnvironment({ NO_PROXY: "a.example, localhost", no_proxy: "b.example,a.example," });
  equal(given["NO_PROXY"], "a.example,localhost,b.example,127.0.0.1,::1,169.254.169.254,metadata.google.internal");
  equal(given["no_proxy"], given["NO_PROXY"]);
});
