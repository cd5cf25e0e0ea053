import type { KubeObject } from "./objects.ts";
import * as v from "valibot";

const Status = v.object({
  loadBalancer: v.object({
    ingress: v.array(v.object({ ip: v.optional(v.string()), hostname: v.optional(v.string()) })),
  }),
});

/** Address that a LoadBalancer Service was given: an IP, or a name where the provider gives names. */
export function loadBalancerAddress(service: KubeObject | undefined): string | undefined {
  const status = v.safeParse(Status, service?.["status"]);
  const [first] = status.success ? status.output.loadBalancer.ingress : [];
  return first?.ip || first?.hostname || undefined;
}
