import { Problem } from "../base/errors.ts";
import { pause } from "../base/pause.ts";
import { get, type KubeClient, loadBalancerAddress, RESOURCES } from "../kube/mod.ts";
import { INTERNAL_GATE } from "../registration/mod.ts";

export interface GateAddressOptions {
  /** Of the gate. */
  namespace: string;
  timeoutMs: number;
  signal: AbortSignal;
  /** Told what is waited for. */
  progress: (text: string) => void;
  /** @default {2000} */
  everyMs?: number | undefined;
}

/**
 * The internal address of the gate, as soon as its load balancer has one.
 * @throws {Problem} there is no gate, or no address in time
 */
export async function gateAddress(kube: KubeClient, options: GateAddressOptions): Promise<string> {
  const { namespace, timeoutMs, signal, progress, everyMs = 2_000 } = options;
  const until = performance.now() + timeoutMs;
  const tried = `find the gate's address on ${kube.access.origin}`;
  const of = `Service ${namespace}/${INTERNAL_GATE}`;
  for (;;) {
    const service = await get(kube, RESOURCES.Service, namespace, INTERNAL_GATE, signal);
    if (!service) {
      const fix = "put the gate there (docs/gate.md), or --gate-ip ADDRESS for one elsewhere";
      throw new Problem({ tried, got: `there is no ${of}`, fix });
    }
    const address = loadBalancerAddress(service);
    if (address) return address;
    if (performance.now() + everyMs > until) {
      const fix =
        `kubectl -n ${namespace} describe service ${INTERNAL_GATE}; --timeout to wait longer, --gate-ip to go on`;
      throw new Problem({ tried, got: `the load balancer of ${of} has no address after ${timeoutMs / 1_000} s`, fix });
    }
    progress(`waiting for the load balancer of ${of}`);
    await pause(everyMs, signal);
  }
}
