import assert from "node:assert/strict";
import { reportText } from "./hgate_routes.ts";

Deno.test("hgate routes: a line for each name, then what is wrong", () => {
  assert.equal(
    reportText({
      engine: "envoy",
      notReady: null,
      isLeader: true,
      routes: [
        {
          kind: "tunnel",
          service: "prod/web",
          names: ["a.b", "c.d.e"],
          to: "https://w.run.app/_hbone/15003",
          open: 12,
        },
        { kind: "istiod", service: "istio-system/istiod", names: ["istiod"], to: "10.0.0.1:15012", open: 0 },
      ],
      problems: [{ object: "Service prod/bad", problem: "no URL" }],
    }),
    `KIND    SERVICE              NAME    TO                              OPEN
tunnel  prod/web             a.b     https://w.run.app/_hbone/15003  12
                             c.d.e
istiod  istio-system/istiod  istiod  10.0.0.1:15012                  0
! Service prod/bad: no URL
ready, engine envoy, leader
`,
  );
});
