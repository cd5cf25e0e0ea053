import assert from "node:assert/strict";
import { loadBalancerAddress } from "./load_balancer.ts";

Deno.test("load balancer: an IP, a name, or nothing yet", () => {
  const cases: [ingress: unknown, expected: string | undefined][] = [
    [[{ ip: "10.0.0.9" }], "10.0.0.9"],
    [[{ hostname: "lb.example" }], "lb.example"],
    [[], undefined],
    [undefined, undefined],
    [[{ ip: 7 }], undefined],
  ];
  for (const [ingress, expected] of cases) {
    const service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "hgate" },
      status: { loadBalancer: { ingress } },
    };
    assert.equal(loadBalancerAddress(service), expected);
  }
  assert.equal(loadBalancerAddress(undefined), undefined);
});
