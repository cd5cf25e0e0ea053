import assert from "node:assert/strict";
import { forwardedRequestFields, isSpoofable, withoutHopByHop } from "./request_headers.ts";
import { decide } from "./route.ts";

Deno.test("isSpoofable: names of the table, in any case and with underscores, and nothing else", () => {
  for (
    const name of [
      "x-forwarded-client-cert",
      "X-Forwarded-Client-Cert",
      "x_forwarded_client_cert",
      "x-envoy-internal",
      "X_ENVOY_x",
      "x-istio-a",
      "x-krun-b",
    ]
  ) {
    assert.equal(isSpoofable(name), true, name);
  }
  for (
    const name of [
      "x-forwarded-for",
      "x-forwarded-proto",
      "traceparent",
      "x-b3-traceid",
      "x-request-id",
      "authorization",
      "baggage",
      "x-envoy",
    ]
  ) {
    assert.equal(isSpoofable(name), false, name);
  }
});

Deno.test("what belongs to a connection stays on it, also what its connection field names", () => {
  assert.deepEqual(
    withoutHopByHop([["connection", "close, X-Mine"], ["x-mine", "a"], ["keep-alive", "5"], ["x", "b"]]),
    [["x", "b"]],
  );
  assert.deepEqual(forwardedRequestFields([["expect", "100-continue"], ["x-istio-a", "b"], ["accept", "c"]]), [[
    "accept",
    "c",
  ]]);
});

Deno.test("decide: a tunnel only for a declared name by POST", () => {
  const routes = new Map([["15003", 15_003]]);
  assert.deepEqual(decide("POST", "/_hbone/15003", routes), { kind: "tunnel", port: 15_003 });
  assert.deepEqual(decide("POST", "/_hbone/15003?x", routes), { kind: "tunnel", port: 15_003 });
  const kinds = [["POST", "/_hbone/15003/"], ["POST", "/_hbone/15004"], ["GET", "/_hbone/15003"], [
    "POST",
    "/_hbone/__proto__",
  ]] as const;
  assert.deepEqual(
    kinds.map(([method, path]) => decide(method, path, routes)).map((decision) =>
      decision.kind === "refuse" && decision.status
    ),
    [404, 404, 405, 404],
  );
  for (const path of ["/", "/_hbone", "/x/_hbone/15003", ""]) {
    assert.equal(decide("POST", path, routes).kind, "app", path);
  }
});
