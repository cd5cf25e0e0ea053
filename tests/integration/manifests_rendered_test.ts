/** manifests/hgate as kubectl renders it: its objects find each other, and follow into another namespace. */
import assert from "node:assert/strict";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import { inDirectory } from "../temporary_directory.ts";

const MANIFESTS = new URL("../../manifests/", import.meta.url);

// deno-lint-ignore no-explicit-any -- objects of a dozen kinds, each looked into at a few places
type Manifest = any;

async function render(name: string): Promise<Manifest[]> {
  const { success, stdout, stderr } = await new Deno.Command("kubectl", { args: ["kustomize", name], cwd: MANIFESTS })
    .output();
  assert(success, new TextDecoder().decode(stderr));
  return parseAllDocuments(new TextDecoder().decode(stdout)).map((document) => document.toJS());
}

function one(all: Manifest[], kind: string, name = "hgate"): Manifest {
  const found = all.filter((object) => object.kind === kind && object.metadata.name === name);
  assert.equal(found.length, 1, `${kind} ${name}`);
  return found[0];
}

async function isThere(program: string): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args: ["version", "--client"], stdout: "null", stderr: "null" }).output())
      .success;
  } catch {
    return false;
  }
}
const ignore = !await isThere("kubectl");

Deno.test({
  name:
    "rendered manifests: whatever selects pods selects the gate's, whatever names an object names one that is there",
  ignore,
  fn: async () => {
    const all = await render("hgate");
    const { selector, template: { metadata, spec: pod } } = one(all, "Deployment").spec;
    const spread = pod.topologySpreadConstraints;
    const selectors = [
      selector.matchLabels,
      one(all, "PodDisruptionBudget").spec.selector.matchLabels,
      one(all, "NetworkPolicy").spec.podSelector.matchLabels,
      ...["hgate", "internal-hgate"].map((name) => one(all, "Service", name).spec.selector),
      ...spread.map(({ labelSelector }: Manifest) => labelSelector.matchLabels),
    ];
    for (const wanted of selectors) {
      for (const [name, value] of Object.entries(wanted)) assert.equal(metadata.labels[name], value);
    }
    assert.deepEqual(spread.map(({ topologyKey, whenUnsatisfiable }: Manifest) => [topologyKey, whenUnsatisfiable]), [
      ["kubernetes.io/hostname", "ScheduleAnyway"], // one node is enough to run it
      ["topology.kubernetes.io/zone", "ScheduleAnyway"],
    ]);
    assert.equal(one(all, "ServiceAccount").metadata.name, pod.serviceAccountName);
    const volumes = new Map<string, Manifest>(pod.volumes.map((volume: Manifest) => [volume.name, volume]));
    for (const { volumeMounts, resources } of pod.containers) {
      for (const { name } of volumeMounts) assert(volumes.has(name), name);
      assert(resources.requests.cpu && resources.requests.memory && resources.limits.memory);
    }
    assert.equal(volumes.get("sockets").emptyDir.medium, "Memory", "ID tokens reach no disk");
    one(all, "ConfigMap", volumes.get("config").configMap.name);
  },
});

Deno.test({
  name:
    "rendered manifests: where the control plane is managed, Deployment and config maps are those of the base and one more",
  ignore,
  fn: async () => {
    const [base, managed] = await Promise.all([render("hgate"), render("hgate-managed")]);
    const kinds = (all: Manifest[]) => all.map(({ kind }) => kind).sort();
    assert.deepEqual(kinds(managed), [...kinds(base), "ConfigMap"].sort());
    const [hgate] = one(managed, "Deployment").spec.template.spec.containers;
    assert(hgate.envFrom.length > 0);
    for (const { configMapRef } of hgate.envFrom) one(managed, "ConfigMap", configMapRef.name);
  },
});

Deno.test({
  name: "rendered manifests: in another namespace the bindings give the rights to the account that is there",
  ignore,
  fn: () =>
    inDirectory(async (directory) => {
      const base = relative(await Deno.realPath(directory), fileURLToPath(new URL("hgate", MANIFESTS)));
      await Deno.writeTextFile(`${directory}/kustomization.yaml`, `namespace: elsewhere\nresources: ["${base}"]\n`);
      const all = await render(directory);
      assert.equal(one(all, "ServiceAccount").metadata.namespace, "elsewhere");
      for (const kind of ["ClusterRoleBinding", "RoleBinding"]) {
        assert.equal(one(all, kind).subjects[0].namespace, "elsewhere", kind);
      }
    }),
});
