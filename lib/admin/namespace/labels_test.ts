import assert from "node:assert/strict";
import type { KubeObject } from "../../kube/mod.ts";
import { injectsByUs, namespaceObject } from "./labels.ts";

const OURS = "cloud-run-mesh";
const AUTO = "cloud-run-mesh/auto-registration";
const MANAGED = { "app.kubernetes.io/managed-by": OURS };

/** A namespace with labels and who set each. */
function namespace(labels: Record<string, [value: string, manager: string]>): KubeObject {
  const managers = new Set(Object.values(labels).map(([, manager]) => manager));
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name: "shop",
      labels: Object.fromEntries(Object.entries(labels).map(([key, [value]]) => [key, value])),
      managedFields: [...managers].map((manager) => ({
        manager,
        operation: manager === OURS ? "Apply" : "Update",
        fieldsV1: {
          "f:metadata": {
            "f:labels": Object.fromEntries(
              Object.entries(labels).filter(([, [, by]]) => by === manager).map(([key]) => [`f:${key}`, {}]),
            ),
          },
        },
      })),
    },
  };
}

const CASES: [
  name: string,
  revision: string | undefined,
  seen: KubeObject | undefined,
  labels: Record<string, string>,
  warnings: RegExp[],
][] = [
  ["new", undefined, undefined, { "istio-injection": "enabled", [AUTO]: "enabled" }, []],
  ["new, with a revision", "canary", undefined, { "istio.io/rev": "canary", [AUTO]: "enabled" }, []],
  ["ours, as before", undefined, namespace({ "istio-injection": ["enabled", OURS], [AUTO]: ["enabled", OURS] }), {
    "istio-injection": "enabled",
    [AUTO]: "enabled",
  }, []],
  ["ours, another revision", "canary", namespace({ "istio-injection": ["enabled", OURS] }), {
    "istio.io/rev": "canary",
    [AUTO]: "enabled",
  }, []],
  [
    "a person's, the same",
    undefined,
    namespace({ "istio-injection": ["enabled", "kubectl"] }),
    { [AUTO]: "enabled" },
    [],
  ],
  ["a person's, off", undefined, namespace({ "istio-injection": ["disabled", "kubectl"] }), { [AUTO]: "enabled" }, [
    /has istio-injection=disabled by somebody else.* kubectl label namespace shop istio-injection-,/,
  ]],
  ["a person's revision", undefined, namespace({ "istio.io/rev": ["stable", "kubectl"] }), { [AUTO]: "enabled" }, [
    /has istio\.io\/rev=stable/,
  ]],
  [
    "a person's, both",
    "stable",
    namespace({
      "istio.io/rev": ["stable", "kubectl"],
      "istio-injection": ["enabled", "kubectl"],
    }),
    { [AUTO]: "enabled" },
    [/istio-injection=enabled and istio\.io\/rev=stable.*istio-injection- istio\.io\/rev-/],
  ],
  ["a person wants no registration", undefined, namespace({ [AUTO]: ["disabled", "kubectl"] }), {
    "istio-injection": "enabled",
  }, [/auto-registration=disabled/]],
];
for (const [name, revision, seen, labels, warnings] of CASES) {
  Deno.test(`labels of a namespace: ${name}`, () => {
    const got = namespaceObject("shop", revision, seen);
    assert.deepEqual(got.object.metadata.labels, { ...MANAGED, ...labels });
    assert.equal(got.warnings.length, warnings.length, got.warnings.join("\n"));
    for (const [at, warning] of warnings.entries()) assert.match(got.warnings[at]!, warning);
  });
}

Deno.test("labels of a namespace: whose sidecars they are", () => {
  assert.equal(injectsByUs(namespace({ "istio-injection": ["enabled", OURS] })), true);
  assert.equal(injectsByUs(namespace({ "istio-injection": ["enabled", "kubectl"] })), false);
  assert.equal(injectsByUs(namespace({ [AUTO]: ["enabled", OURS] })), false);
});
