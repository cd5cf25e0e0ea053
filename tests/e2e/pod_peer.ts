import { Problem } from "../../lib/base/errors.ts";
import { NAMESPACE, SERVICE } from "./objects.ts";
import { must, run } from "./process.ts";
import type { E2eWorld } from "./world.ts";

const IN_POD = "/tmp/mesh-peer";
export const PEER_URL = `http://${SERVICE}:8080`;
/** Where the registration says HTTP/2. */
export const PEER_HTTP2 = `${SERVICE}:8079`;

/** mesh-peer's client words in the injected pod. @returns its line of JSON */
export type PodPeer = (...words: (string | number)[]) => Promise<Record<string, unknown>>;

/** Brings mesh-peer into the injected pod, once in the pod's life. */
export async function peerInPod({ cluster, meshPeer }: E2eWorld): Promise<PodPeer> {
  const pod = ["kubectl", "--kubeconfig", cluster.kubeconfig, "-n", NAMESPACE, "exec", "-i", "deployment/echo"];
  const inPod = (script: string) => [...pod, "-c", "echo", "--", "sh", "-c", script];
  if ((await run(inPod(`test -x ${IN_POD}`))).code !== 0) {
    const take = inPod(`cat > ${IN_POD}.part && chmod +x ${IN_POD}.part && mv ${IN_POD}.part ${IN_POD}`);
    await must(["sh", "-c", 'from=$1; shift; exec "$@" < "$from"', "sh", meshPeer, ...take]);
  }
  return async (...words) => {
    const command = `ulimit -n $(ulimit -Hn); exec ${IN_POD} ${words.join(" ")}`;
    const text = await must(inPod(command), { timeoutMs: 300_000 });
    try {
      return JSON.parse(text);
    } catch {
      throw new Problem({ tried: `mesh-peer ${words.join(" ")} in the pod`, got: text });
    }
  };
}
