/** manifests/hgate says what the program says: its rights, Envoy's bootstrap, its ports; and its pods may do no more than they need. */
import assert from "node:assert/strict";
import { parseAllDocuments } from "yaml";
import { envoyBootstrap } from "../../cmd/hgate_envoy.ts";
import { HGATE_TABLE } from "../../cmd/hgate_settings.ts";
import { roles } from "../../lib/gate/mod.ts";

interface Manifest {
  kind: string;
  metadata: { name: string };
  // deno-lint-ignore no-explicit-any
  [field: string]: any;
}

const DIRECTORY = new URL("../../manifests/hgate/", import.meta.url);

async function manifests(file: string): Promise<Manifest[]> {
  return parseAllDocuments(await Deno.readTextFile(new URL(file, DIRECTORY))).map((document) =>
    document.toJS({ maxAliasCount: 10 })
  );
}

Deno.test("manifests: the rights are those of the program, no more and no fewer, and the account has them", async () => {
  const all = await manifests("rbac.yaml");
  assert.deepEqual(all.filter(({ kind }) => kind === "ClusterRole" || kind === "Role"), roles("hgate", "istio-system"));
  for (const kind of ["ClusterRoleBinding", "RoleBinding"]) {
    const binding = all.find((object) => object.kind === kind)!;
    assert.equal(binding["roleRef"].kind, kind.replace("Binding", ""));
    assert.deepEqual(binding["subjects"], [{ kind: "ServiceAccount", name: "hgate", namespace: "istio-system" }]);
  }
});

Deno.test("manifests: Envoy's bootstrap is what hgate envoy-bootstrap prints", async () => {
  const printed = envoyBootstrap({ envoyDirectory: "/run/hgate", maxTunnels: HGATE_TABLE.maxTunnels.fallback });
  assert.equal(await Deno.readTextFile(new URL("envoy.json", DIRECTORY)), printed, "print it anew");
});

Deno.test("manifests: two replicas, no rights in the container, probes on the ports that are served", async () => {
  const [deployment] = await manifests("deployment.yaml");
  const { replicas, template } = deployment!["spec"];
  const pod = template.spec;
  assert.equal(replicas, 2);
  assert.equal(pod.securityContext.runAsNonRoot, true);
  assert.equal(pod.securityContext.seccompProfile.type, "RuntimeDefault");
  for (const { name, securityContext } of pod.containers) {
    assert.deepEqual(securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    }, name);
  }
  const [hgate, envoy] = pod.containers;
  assert.deepEqual(hgate.ports.map((port: { containerPort: number }) => port.containerPort), [
    HGATE_TABLE.httpPort.fallback,
  ]);
  assert.equal(hgate.readinessProbe.httpGet.path, "/readyz");
  assert.equal(hgate.livenessProbe.httpGet.path, "/healthz");
  const served = [HGATE_TABLE.tunnelPort.fallback, HGATE_TABLE.istiodPort.fallback, 15_443];
  assert.deepEqual(envoy.ports.map((port: { containerPort: number }) => port.containerPort), served);
  const endMs = pod.terminationGracePeriodSeconds * 1_000;
  assert.ok(endMs > HGATE_TABLE.notReadyMs.fallback + HGATE_TABLE.drainMs.fallback, "the drain fits");
});

Deno.test("manifests: the Services and the policy name ports that are served", async () => {
  const services = await manifests("services.yaml");
  const ports = (name: string) =>
    services.find(({ metadata }) => metadata.name === name)!["spec"].ports.map((port: { port: number }) => port.port);
  assert.deepEqual(ports("hgate"), [15_443, 15_012]);
  assert.deepEqual(ports("internal-hgate"), [15_443, 15_442, 15_012]);
  const policy = (await manifests("policies.yaml")).find(({ kind }) => kind === "NetworkPolicy")!;
  const open = policy["spec"].ingress[0].ports.map((port: { port: number }) => port.port);
  for (const { spec } of services as { spec: { ports: { targetPort: number }[] } }[] & Manifest[]) {
    for (const { targetPort } of spec.ports) assert.ok(open.includes(targetPort), String(targetPort));
  }
});
