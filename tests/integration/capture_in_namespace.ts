/** Tests of rules, each in a namespace of its own. */
import { captureSettings, dnsServers, type Run, startCapture } from "../../lib/capture/mod.ts";
import { cannotHaveNamespaces, Namespace } from "./capture_namespaces.ts";

const because = await cannotHaveNamespaces();

/** A test in a namespace of its own. */
export function inNamespace(name: string, body: (namespace: Namespace) => Promise<void>): void {
  Deno.test({
    name: because ? `capture: ${name} (${because})` : `capture: ${name}`,
    ignore: because !== undefined,
    async fn() {
      await using namespace = await Namespace.make();
      await body(namespace);
    },
  });
}

export const around = { servers: dnsServers("nameserver 198.18.0.53\nnameserver fd00::53\n"), addresses: [] };

/** Settings that need every chain. */
export const EVERYTHING = {
  INBOUND_PORTS_INCLUDE: "*",
  ISTIO_META_DNS_CAPTURE: "true",
  DROP_INVALID: "true",
  EXCLUDE_INTERFACES: "eth1",
  KUBE_VIRT_INTERFACES: "kv0",
  OUTBOUND_OWNER_GROUPS_INCLUDE: "1,2",
  KRUN_CAPTURE_IPV6: "on",
};

export function capture(
  run: Run,
  variables: Record<string, string> = EVERYTHING,
  mode: "auto" | "required" = "required",
) {
  return startCapture(mode, { settings: captureSettings(variables), around, run });
}
