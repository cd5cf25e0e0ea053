import assert from "node:assert/strict";
import { reasonOf } from "../../lib/base/errors.ts";
import { Secret } from "../../lib/base/secret.ts";
import { warn } from "../../lib/gate/controller/events.ts";
import { type Rule, RULES } from "../../lib/gate/controller/rights.ts";
import { roles } from "../../lib/gate/mod.ts";
import {
  apply,
  get,
  type Kind,
  KubeClient,
  type KubeObject,
  listAll,
  pathOf,
  readKubeconfig,
  remove,
  RESOURCES,
} from "../../lib/kube/mod.ts";
import { watch } from "../../lib/kube/watch.ts";
import { Cluster } from "./cluster.ts";

const kubeconfig = Deno.env.get("KUBECONFIG") ?? "";
const NAMESPACE = "gate-rights";
const NAME = "hgate-rights-test";
const RBAC = "rbac.authorization.k8s.io";

const SPECS: Partial<Record<Kind, unknown>> = {
  Service: { ports: [{ port: 80 }] },
  WorkloadEntry: { address: "192.0.2.1" },
  DestinationRule: { host: "x" },
  Sidecar: { egress: [{ hosts: ["*/*"] }] },
  PeerAuthentication: {},
};
const object = (kind: Kind, name: string): KubeObject => ({
  apiVersion: RESOURCES[kind].apiVersion,
  kind,
  metadata: { name, namespace: NAMESPACE },
  ...(kind === "ConfigMap" ? { data: { A: crypto.randomUUID() } } : kind in SPECS ? { spec: SPECS[kind] } : {}),
});
const kindOf = (resource: string) =>
  (Object.keys(RESOURCES) as Kind[]).find((kind) => RESOURCES[kind].resource === resource)!;

/** Does what needs exactly this right (beside those that are not taken away). */
async function use(gate: KubeClient, admin: KubeClient, rule: Rule, resource: string, verb: string): Promise<void> {
  const kind = kindOf(resource);
  const isMeshEnv = kind === "ConfigMap" && verb === "create"; // its name is no part of the right
  const name = rule.names?.[0] ?? (isMeshEnv ? "mesh-env" : `${verb}-test`);
  const selection = {
    resource: RESOURCES[kind],
    namespace: rule.scope === "namespace" ? NAMESPACE : undefined,
    fieldSelector: rule.names ? `metadata.name=${rule.names[0]}` : undefined,
  };
  const known = await get(admin, RESOURCES[kind], NAMESPACE, name);
  switch (verb) {
    case "list":
      return void await listAll(gate, selection);
    case "watch": {
      const { resourceVersion } = await listAll(admin, selection);
      const { signal } = new AbortController();
      for await (const _ of watch(gate, selection, { resourceVersion, timeoutSeconds: 1, signal })) break;
      return;
    }
    case "get":
      return void await get(gate, RESOURCES[kind], NAMESPACE, name);
    case "create":
      if (kind === "Event") return await warn(gate, object("ConfigMap", "x"), "Test", "a test of rights");
      if (kind === "Lease") return await lease(gate, "POST", `free-${crypto.randomUUID()}`);
      // where the name is given, what is applied is made anew
      if (known) await remove(admin, known);
      return void await apply(gate, object(kind, name));
    case "patch":
      if (!known) await apply(admin, object(kind, name));
      return void await apply(gate, object(kind, name), { force: true });
    case "update":
      if (!known) await lease(admin, "POST", name);
      return await lease(
        gate,
        "PUT",
        name,
        (await get(admin, RESOURCES.Lease, NAMESPACE, name))!.metadata.resourceVersion,
      );
    case "delete":
      return void await remove(gate, known ?? await apply(admin, object(kind, name)));
    default:
      assert.fail(`no use for ${verb}`);
  }
}

async function lease(kube: KubeClient, method: string, name: string, resourceVersion?: string): Promise<void> {
  const { metadata, ...rest } = object("Lease", name);
  await kube.request(pathOf(RESOURCES.Lease, NAMESPACE, method === "PUT" ? name : undefined), {
    what: `${method} lease`,
    method,
    tries: 1,
    json: {
      ...rest,
      metadata: { ...metadata, ...(resourceVersion ? { resourceVersion } : {}) },
      spec: { holderIdentity: "x" },
    },
  });
}

/** Repeats `work` until it is as expected: the authorizer learns of roles by a watch of its own. */
async function settles(
  work: () => Promise<void>,
  isAsExpected: (problem: string | undefined) => boolean,
): Promise<string> {
  const until = performance.now() + 10_000;
  for (;;) {
    const problem = await work().then(() => undefined, reasonOf);
    if (isAsExpected(problem) || performance.now() > until) return problem ?? "it works";
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The real authorizer: with all rights everything works, with one verb less its own use fails and says which is missing. */
Deno.test("hgate has the rights that it needs and no other: one verb less, and what needs it fails by name", async (t) => {
  const cluster = new Cluster(kubeconfig);
  const { access } = await readKubeconfig(kubeconfig, { environment: {} });
  using admin = new KubeClient(access);
  const grant = async (rules: readonly Rule[]) => {
    for (const role of roles(NAME, NAMESPACE, rules) as KubeObject[]) {
      const resource = { apiVersion: role.apiVersion, kind: role.kind, resource: `${role.kind.toLowerCase()}s` };
      await admin.request(`${pathOf(resource, role.metadata.namespace, NAME)}?fieldManager=test&force=true`, {
        what: `grant ${role.kind}`,
        method: "PATCH",
        headers: { "content-type": "application/apply-patch+yaml" },
        json: role,
      });
    }
  };
  const role = (kind: string) => ({ apiGroup: RBAC, kind, name: NAME });
  const subjects = [{ kind: "ServiceAccount", name: "hgate", namespace: NAMESPACE }];
  const apiVersion = `${RBAC}/v1`;
  try {
    await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } });
    await cluster.apply(
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "hgate", namespace: NAMESPACE } },
      { apiVersion, kind: "ClusterRoleBinding", metadata: { name: NAME }, roleRef: role("ClusterRole"), subjects },
      {
        apiVersion,
        kind: "RoleBinding",
        metadata: { name: NAME, namespace: NAMESPACE },
        roleRef: role("Role"),
        subjects,
      },
    );
    await grant(RULES);
    const audience = "https://kubernetes.default.svc";
    const { value } = await admin.serviceAccountToken({ namespace: NAMESPACE, name: "hgate" }, audience, 3_600);
    const { certificate: _, ...rest } = access;
    using gate = new KubeClient({
      ...rest,
      authorization: () => Promise.resolve(new Secret(`Bearer ${value.reveal()}`)),
    });

    const rights = RULES.flatMap((rule) =>
      rule.resources.flatMap((resource) => rule.verbs.map((verb) => ({ rule, resource, verb })))
    );
    for (const { rule, resource, verb } of rights) {
      const what = `${verb} ${resource}${rule.names ? ` ${rule.names}` : ""} (${rule.why})`;
      await t.step(what, async () => {
        const work = () => use(gate, admin, rule, resource, verb);
        await grant(RULES);
        assert.equal(await settles(work, (problem) => problem === undefined), "it works");
        const less = { ...rule, resources: [resource], verbs: rule.verbs.filter((other) => other !== verb) };
        const others = { ...rule, resources: rule.resources.filter((other) => other !== resource) };
        await grant(
          RULES.flatMap((one) =>
            one !== rule ? [one] : [less, others].filter(({ resources, verbs }) => resources.length && verbs.length)
          ),
        );
        const missing = new RegExp(`cannot ${verb} resource "${resource}" in API group "${rule.group}"`);
        assert.match(await settles(work, (problem) => missing.test(problem ?? "")), missing);
      });
    }
    await t.step("nothing else", async () => {
      await grant(RULES);
      const account = `system:serviceaccount:${NAMESPACE}:hgate`;
      const may = async (...words: string[]) =>
        (await cluster.tryKubectl("auth", "can-i", ...words, "--as", account)).stdout.trim() === "yes";
      assert.equal(await may("list", "services", "-A"), true);
      for (
        const words of [
          ["get", "secrets", "-n", NAMESPACE],
          ["list", "configmaps", "-A"],
          ["get", "configmaps/other", "-n", NAMESPACE],
          ["patch", "configmaps/other", "-n", NAMESPACE],
          ["patch", "configmaps/mesh-env", "-n", "default"],
          ["list", "pods", "-A"],
          ["create", "serviceaccounts/token", "-n", NAMESPACE],
          ["delete", "namespaces"],
          ["patch", "virtualservices.networking.istio.io", "-n", NAMESPACE],
          ["update", "leases.coordination.k8s.io/other", "-n", NAMESPACE],
        ]
      ) assert.equal(await may(...words), false, words.join(" "));
    });
  } finally {
    for (const what of [["clusterrole", NAME], ["clusterrolebinding", NAME], ["namespace", NAMESPACE]]) {
      await cluster.tryKubectl("delete", ...what, "--wait=false", "--ignore-not-found");
    }
  }
});
