import assert from "node:assert/strict";
import { keysOfOthers } from "./apply.ts";

const ANNOTATIONS = ["metadata", "annotations"];
const entry = (manager: string, operation: string, ...keys: string[]) => ({
  manager,
  operation,
  fieldsV1: {
    "f:metadata": { "f:annotations": { ".": {}, ...Object.fromEntries(keys.map((key) => [`f:${key}`, {}])) } },
  },
});
const object = (...managedFields: object[]) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web", managedFields },
});

Deno.test("apply: who else has set a key", () => {
  const ours = entry("cloud-run-mesh", "Apply", "a", "b");
  assert.deepEqual([...keysOfOthers(object(ours), ANNOTATIONS)], []);
  assert.deepEqual([...keysOfOthers(object(ours, entry("kubectl-annotate", "Update", "b", "c")), ANNOTATIONS)], [
    "b",
    "c",
  ]);
  assert.deepEqual([...keysOfOthers(object(entry("cloud-run-mesh", "Update", "a")), ANNOTATIONS)], ["a"]);
  assert.deepEqual([...keysOfOthers(object(entry("x", "Update", "a")), ["metadata", "labels"])], []);
  assert.deepEqual([...keysOfOthers(object({ manager: "x" }), ANNOTATIONS)], []);
});
