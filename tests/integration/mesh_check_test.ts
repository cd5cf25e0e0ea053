/** The pod that asks a service from the mesh, in a cluster whose sidecars and kubelets are the test's own. */
import assert from "node:assert/strict";
import { meshAnswers } from "../../lib/admin/cloud_run/mesh_check.ts";
import type { Fetch } from "../../lib/base/http.ts";
import { KubeClient, type KubeObject, readKubeconfig } from "../../lib/kube/mod.ts";
import { type AdminWorld, startAdminWorld } from "./admin_world.ts";
import { shop } from "./register_scene.ts";

const POD = "mesh-check-web";
const OPTIONS = {
  name: "web",
  namespace: "shop",
  port: { name: "http", port: 8080 },
  gateNamespace: "istio-system",
  timeoutMs: 1_000,
  everyMs: 5,
};

interface Cluster {
  /** What becomes of the container that asks. @default it never runs */
  state?: object;
  /** Whether pods of the namespace get a sidecar. @default true */
  isInjected?: boolean;
  /** Whether there is a gate. @default true */
  hasGate?: boolean;
}

/** Runs the check. @returns what it says, what the pod was, and whether it is gone */
async function check(cluster: Cluster, options: Partial<typeof OPTIONS> = {}, prepare?: (world: AdminWorld) => void) {
  await using world = await startAdminWorld();
  shop(world);
  if (cluster.hasGate ?? true) {
    world.put("pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "hgate-1", namespace: "istio-system", labels: { app: "hgate" } },
      spec: { containers: [{ name: "envoy", image: "other" }, { name: "hgate", image: "registry/hgate:1" }] },
    });
  }
  prepare?.(world);
  let made: KubeObject | undefined;
  const fetch: Fetch = async (url, init) => {
    const isApply = init.method === "PATCH" && new URL(url).pathname.endsWith(`/pods/${POD}`);
    if (!isApply) return await world.fetch(url, init);
    const pod = JSON.parse(init.body as string);
    if (cluster.isInjected ?? true) pod.spec.initContainers = [{ name: "istio-proxy", image: "proxyv2" }];
    const answer = await world.fetch(url, { ...init, body: JSON.stringify(pod) });
    made = world.kubernetes.objects.row("pods", "shop", POD)?.object as KubeObject;
    if (cluster.state) {
      const status = {
        containerStatuses: [{ name: "istio-proxy", state: { running: {} } }, { name: "ask", state: cluster.state }],
      };
      world.put("pods", { ...made, status }, "kubelet");
    }
    return answer;
  };
  const { access } = await readKubeconfig(world.environment["KUBECONFIG"]!, { environment: world.environment });
  using kube = new KubeClient(access, { fetch });
  const said = await meshAnswers(kube, { ...OPTIONS, ...options }).check(new AbortController().signal, () => {})
    .catch((error: Error) => error.message);
  return { said, made, isGone: !world.kubernetes.objects.row("pods", "shop", POD) };
}

const ended = (exitCode: number, message?: string) => ({ terminated: { exitCode, ...(message ? { message } : {}) } });

const CASES: [name: string, cluster: Cluster, said: RegExp][] = [
  ["an answer", { state: ended(0, "200 in 12 ms\n") }, /^it answers 200 in 12 ms$/],
  [
    "none",
    { state: ended(1, "503 no healthy upstream") },
    /^ask http:\/\/web\.shop:8080\/ from a pod in shop\n {2}got: 503 no healthy/,
  ],
  ["an end without a word", { state: ended(137) }, /got: it ended with 137/],
  ["no sidecar", { isInjected: false }, /^not looked at: a pod in shop gets no sidecar/],
  [
    "an image that cannot be had",
    { state: { waiting: { reason: "ImagePullBackOff", message: "Back-off pulling image" } } },
    /^not looked at: the pod does not start: Back-off pulling/,
  ],
  ["a pod that never runs", {}, /^not looked at: pod mesh-check-web has not run after/],
  ["no gate", { hasGate: false }, /^not looked at: no pod of the gate in istio-system/],
];

for (const [name, cluster, expected] of CASES) {
  Deno.test(`mesh check: ${name}; the pod is gone afterwards`, async () => {
    const { said, isGone } = await check(cluster, cluster.state ? {} : { timeoutMs: 50 });
    assert.match(said, expected);
    assert(isGone);
  });
}

Deno.test("mesh check: the pod is the gate's image with its own command, and one that was left behind goes first", async () => {
  const left = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: POD, namespace: "shop", labels: { "app.kubernetes.io/managed-by": "cloud-run-mesh" } },
  };
  const { said, made } = await check({ state: ended(0, "404 in 3 ms") }, {}, (world) => world.put("pods", left));
  assert.equal(said, "it answers 404 in 3 ms");
  const { containers: [container] } = made!["spec"] as { containers: Record<string, unknown>[] };
  assert.deepEqual([container!["image"], container!["command"]], [
    "registry/hgate:1",
    ["/usr/local/bin/hgate", "ask", "http://web.shop:8080/"],
  ]);
});

Deno.test("mesh check: no right to make pods, and a port that is not HTTP, are said and pass", async () => {
  const { said } = await check(
    {},
    {},
    ({ kubernetes: { state } }) =>
      void state.denied.push({ subject: "admin@example.com", verb: "patch", resource: "pods", namespace: "shop" }),
  );
  assert.match(said, /^not looked at: apply Pod shop\/mesh-check-web .*: 403 /);
  assert.match(
    (await check({}, { port: { name: "tcp-db", port: 5432 } })).said,
    /^not looked at: port tcp-db is not HTTP/,
  );
});
