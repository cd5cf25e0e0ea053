import assert from "node:assert/strict";
import { Secret } from "../../lib/base/secret.ts";
import { type CloudRunService, type GateRoutes, roles, startController } from "../../lib/gate/mod.ts";
import { KubeClient, readKubeconfig } from "../../lib/kube/mod.ts";
import { Cluster } from "./cluster.ts";
import { eventually } from "./process.ts";

const kubeconfig = Deno.env.get("KUBECONFIG") ?? "";
const GATE = "gate-controller";
const TENANT = "gate-controller-tenant";
const NAME = "hgate-controller-test";
const RBAC = "rbac.authorization.k8s.io";
const KINDS = "services,workloadentries,destinationrules,sidecars,peerauthentications";

const service = (name: string, port: number) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: GATE },
  spec: { type: "LoadBalancer", ports: [{ name: "tls", port }] },
});
const entries = (data: Record<string, string>) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "cloud-run-services", namespace: TENANT },
  data,
});

/** The controller with its own account and no other rights: the objects are real, and istiod takes them. */
Deno.test("the gate's controller on a real cluster", async (t) => {
  const cluster = new Cluster(kubeconfig);
  const { access } = await readKubeconfig(kubeconfig, { environment: {} });
  using admin = new KubeClient(access);
  const role = (kind: string) => ({ apiGroup: RBAC, kind, name: NAME });
  const subjects = [{ kind: "ServiceAccount", name: "hgate", namespace: GATE }];
  const apiVersion = `${RBAC}/v1`;
  const namespace = (name: string, labels = {}) => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels },
  });
  const made = async () =>
    (await cluster.kubectl(
      "-n",
      TENANT,
      "get",
      KINDS,
      "-l",
      "app.kubernetes.io/managed-by=cloud-run-mesh",
      "-o",
      "name",
    ))
      .split("\n").filter(Boolean).sort();
  const cloudRun: CloudRunService = {
    urls: ["https://web-abc-uc.a.run.app"],
    timeoutMs: 300_000,
    concurrency: 80,
    audiences: [],
  };
  const told: GateRoutes[] = [];
  try {
    await cluster.apply(namespace(GATE), namespace(TENANT, { "cloud-run-mesh/auto-registration": "enabled" }));
    await cluster.apply(
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "hgate", namespace: GATE } },
      ...roles(NAME, GATE),
      { apiVersion, kind: "ClusterRoleBinding", metadata: { name: NAME }, roleRef: role("ClusterRole"), subjects },
      { apiVersion, kind: "RoleBinding", metadata: { name: NAME, namespace: GATE }, roleRef: role("Role"), subjects },
      service("internal-hgate", 15_442),
      service("hgate", 15_012),
    );
    for (const [name, ip] of [["internal-hgate", "192.0.2.9"], ["hgate", "192.0.2.10"]] as const) {
      const status = JSON.stringify({ status: { loadBalancer: { ingress: [{ ip }] } } });
      await cluster.kubectl("-n", GATE, "patch", "service", name, "--subresource=status", "--type=merge", "-p", status);
    }
    const audience = "https://kubernetes.default.svc";
    const { value } = await admin.serviceAccountToken({ namespace: GATE, name: "hgate" }, audience, 3_600);
    const { certificate: _, ...rest } = access;
    const bearer = { ...rest, authorization: () => Promise.resolve(new Secret(`Bearer ${value.reveal()}`)) };
    using kube = new KubeClient(bearer);
    const start = (identity: string, onRoutes: (routes: GateRoutes) => void) =>
      startController({
        kube,
        identity,
        namespace: GATE,
        clusterDomain: "cluster.local",
        frontEndHosts: ["run.app"],
        istiod: { host: "istiod.istio-system.svc", port: 15_012, names: ["istiod.istio-system.svc"] },
        facts: { projectId: "my-project", clusterName: "c", clusterLocation: "us-central1" },
        cloudRun: { kept: { everyMs: 1_000 }, service: () => Promise.resolve({ ...cloudRun }) },
        lease: { everyMs: 500 },
        onRoutes,
      });
    await using controller = start("pod-1", (routes) => told.push(routes));
    await controller.ready;
    await using other = start("pod-2", () => {});
    await other.ready;
    const has = (sni: string) => () =>
      Promise.resolve(told.at(-1)!.tunnels.some(({ serverNames }) => serverNames.includes(sni)) || undefined);

    await t.step("mesh-env has addresses and roots, and a person's value stays", async () => {
      const data = await eventually("mesh-env", async () => {
        const { data } = await cluster.get<{ data: Record<string, string> }>("-n", GATE, "configmap", "mesh-env");
        return data["IMCON_ADDR"] && data["CAROOT_ISTIOD"] ? data : undefined;
      });
      const { status } = await cluster.get<{ status: { loadBalancer: { ingress: { ip: string }[] } } }>(
        "-n",
        GATE,
        "service",
        "internal-hgate",
      );
      assert.equal(data["IMCON_ADDR"], status.loadBalancer.ingress[0]!.ip);
      assert.match(data["CAROOT_ISTIOD"]!, /BEGIN CERTIFICATE/);
      const patch = JSON.stringify({ data: { CLUSTER_NAME: "mine", PROJECT_ID: null } });
      await cluster.kubectl("-n", GATE, "patch", "configmap", "mesh-env", "--type=merge", "-p", patch);
      await eventually("a key that was taken away", async () => {
        const { data } = await cluster.get<{ data: Record<string, string> }>("-n", GATE, "configmap", "mesh-env");
        assert.equal(data["CLUSTER_NAME"], "mine");
        return data["PROJECT_ID"];
      });
    });

    await t.step("an entry becomes a route, and objects that istiod makes endpoints of", async () => {
      await cluster.apply(entries({ web: "ports: [{name: http, port: 8080}, {name: grpc, port: 8079}]" }));
      await eventually("a route", has(`outbound_.8079_._.web.${TENANT}.svc.cluster.local`));
      assert.equal((await made()).length, 5);
      const shards = await eventually("istiod's endpoints", async () => {
        const text = await cluster.kubectl(
          ...[
            "-n",
            "istio-system",
            "exec",
            "deploy/istiod",
            "--",
            "pilot-discovery",
            "request",
            "GET",
            "/debug/endpointShardz",
          ],
        );
        const all = JSON.parse(text)[`web.${TENANT}.svc.cluster.local`]?.[TENANT]?.Shards as
          | Record<string, { ServicePortName: string; EndpointPort: number }[]>
          | undefined;
        return all && Object.values(all).flat();
      });
      assert.deepEqual(
        shards.map(({ ServicePortName, EndpointPort }) => `${ServicePortName} ${EndpointPort}`).sort(),
        ["grpc 15442", "http 15442"],
      );
    });

    await t.step("a change in Cloud Run and one by another hand are taken up", async () => {
      cloudRun.timeoutMs = 3_600_000;
      await eventually("another limit", async () => {
        const rule = await cluster.kubectl("-n", TENANT, "get", "destinationrule", "web", "-o", "yaml");
        return rule.includes("maxConnectionDuration: 3300s") || undefined;
      });
      await cluster.kubectl("-n", TENANT, "delete", "sidecars.networking.istio.io", "web");
      await eventually("the Sidecar", async () => (await made()).length === 5 || undefined);
    });

    await t.step("a Service with the label is enough, and is left as it was", async () => {
      const labelled = {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "shop", namespace: TENANT, labels: { "mesh-cloudrun": "" } },
        spec: { ports: [{ name: "http", port: 8080 }] },
      };
      await cluster.apply(labelled);
      await eventually("a route", has(`outbound_.8080_._.shop.${TENANT}.svc.cluster.local`));
      assert.equal((await made()).length, 9);
      await cluster.kubectl("-n", TENANT, "label", "service", "shop", "mesh-cloudrun-");
      await eventually("its end", async () => (await made()).length === 5 || undefined);
      const { metadata, spec } = await cluster.get<{ metadata: { annotations?: object }; spec: { selector?: object } }>(
        "-n",
        TENANT,
        "service",
        "shop",
      );
      assert.equal(metadata.annotations, undefined);
      assert.equal(spec.selector, undefined);
    });

    await t.step("the other replica goes on, and removes what is no longer asked for", async () => {
      assert.equal(other.isLeader(), false);
      await controller[Symbol.asyncDispose]();
      await eventually("a new leader", () => Promise.resolve(other.isLeader() || undefined));
      await cluster.apply(entries({}));
      await eventually("the end of all objects", async () => (await made()).length === 0 || undefined);
      await eventually("the end of the route", () => Promise.resolve(other.routes().tunnels.length === 0 || undefined));
      assert.deepEqual([other.trouble(), other.problems()], [undefined, []]);
    });
  } finally {
    for (const what of [["clusterrole", NAME], ["clusterrolebinding", NAME], ["namespace", GATE, TENANT]]) {
      await cluster.tryKubectl("delete", ...what, "--wait=false", "--ignore-not-found");
    }
  }
});
