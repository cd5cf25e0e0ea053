import { KubeClient, readKubeconfig } from "../../lib/kube/mod.ts";
import { KUBE_CASES } from "../integration/kube_cases.ts";
import { Cluster } from "./cluster.ts";

const kubeconfig = Deno.env.get("KUBECONFIG") ?? "";
const NAMESPACE = "kube-cases";

/** The same cases as on the emulated API server, so that the emulator is no mirror of mistakes. */
Deno.test({
  name: "a real API server does with lib/kube what the emulated one does",
  async fn(t) {
    const cluster = new Cluster(kubeconfig);
    const { access } = await readKubeconfig(kubeconfig, { environment: {} });
    using kube = new KubeClient(access);
    for (const [at, { name, run }] of KUBE_CASES.entries()) {
      const namespace = `${NAMESPACE}-${at}`;
      await t.step(name, async () => {
        await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
        try {
          await run(kube, namespace);
        } finally {
          await cluster.kubectl("delete", "namespace", namespace, "--wait=false");
        }
      });
    }
  },
});
