import assert from "node:assert/strict";
import { Problem } from "../../lib/base/errors.ts";
import { Secret } from "../../lib/base/secret.ts";
import { KubeClient } from "../../lib/kube/client.ts";
import { readKubeconfig } from "../../lib/kube/kubeconfig.ts";
import { startKubernetes } from "../emulators/kubernetes.ts";
import { NAMESPACE } from "./objects.ts";
import type { E2eWorld } from "./world.ts";

const USER = `system:serviceaccount:${NAMESPACE}:krun-runner`;

/** What krun asks an API server, and what may go wrong with it: each seen as krun sees it. */
async function answers(kube: KubeClient, stranger: KubeClient): Promise<Record<string, string>> {
  const token = async (name: string, lifetimeSeconds: number) => {
    const { value, expiresAt, issuedAt } = await kube.serviceAccountToken(
      { namespace: NAMESPACE, name },
      "istio-ca",
      lifetimeSeconds,
    );
    const claims = JSON.parse(atob(value.reveal().split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/")));
    return `aud ${claims.aud}, sub ${claims.sub}, ${Math.round((expiresAt - issuedAt) / 60_000)} minutes`;
  };
  const asked: Record<string, () => Promise<unknown>> = {
    "the config map": async () => Object.keys(await kube.configMap(NAMESPACE, "mesh-env") ?? {}).sort().join(" "),
    "a token": () => token("default", 3_600),
    "a token that is too short": () => token("default", 60),
    "a token of another account": () => token("echo", 3_600),
    "another config map": () => kube.configMap(NAMESPACE, "other"),
    "another namespace": () => kube.configMap("istio-system", "mesh-env"),
    "foreign credentials": () => stranger.configMap(NAMESPACE, "mesh-env"),
  };
  const seen: Record<string, string> = {};
  for (const [name, ask] of Object.entries(asked)) {
    seen[name] = await ask().then(String, (error) => error instanceof Problem ? error.got : String(error));
  }
  return seen;
}

/** The real API server and the emulator give krun the same answers, word for word. */
export async function sameAnswersAsEmulated(world: E2eWorld): Promise<void> {
  const { access } = await readKubeconfig(world.runnerKubeconfig, { environment: {} });
  const foreign = { authorization: () => Promise.resolve(new Secret("Bearer a-token-of-nobody")) };
  using real = new KubeClient(access);
  using realStranger = new KubeClient({ ...access, ...foreign });

  const grant = { subject: USER, namespace: NAMESPACE };
  await using emulated = await startKubernetes({
    tokens: { "the-runner": USER },
    permissions: [
      { ...grant, verb: "get", resource: "configmaps", name: "mesh-env" },
      { ...grant, verb: "create", resource: "serviceaccounts/token", name: "default" },
    ],
    configMaps: { [NAMESPACE]: { "mesh-env": await real.configMap(NAMESPACE, "mesh-env") ?? {} } },
    serviceAccounts: { [NAMESPACE]: ["default", "echo"] },
  });
  const emulatedAccess = { origin: "the emulator", server: emulated.origin, ca: emulated.authority.certificatePem };
  using own = new KubeClient({
    ...emulatedAccess,
    authorization: () => Promise.resolve(new Secret("Bearer the-runner")),
  });
  using ownStranger = new KubeClient({ ...emulatedAccess, ...foreign });
  assert.deepEqual(await answers(own, ownStranger), await answers(real, realStranger));
}
