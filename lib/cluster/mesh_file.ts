import { parseDocument } from "../base/document.ts";
import { Problem, reasonOf } from "../base/errors.ts";
import { type Layer, meshEnvLayer } from "../settings/mod.ts";
import * as v from "valibot";

const ConfigMap = v.object({ kind: v.literal("ConfigMap"), data: v.record(v.string(), v.string()) });
const Plain = v.record(v.string(), v.string());

/** What `MESH=file://PATH` points at. */
export type MeshFile = { kind: "kubeconfig"; path: string } | { kind: "mesh-env"; layer: Layer };

/**
 * Reads a file that is a kubeconfig, a ConfigMap manifest, or plain variables (YAML or JSON) in mesh-env's names.
 * @throws {Problem} none of these
 */
export async function meshFile(path: string): Promise<MeshFile> {
  const wrong = (got: string) =>
    new Problem({
      tried: `read ${path}, which MESH names`,
      got,
      fix: "give a kubeconfig, or the mesh-env config map as YAML",
    });
  let value: unknown;
  try {
    value = await parseDocument(await Deno.readTextFile(path));
  } catch (error) {
    throw wrong(error instanceof Deno.errors.NotFound ? "no such file" : reasonOf(error));
  }
  if ((value as { kind?: unknown } | null)?.kind === "Config") return { kind: "kubeconfig", path };
  const map = v.safeParse(ConfigMap, value);
  const plain = v.safeParse(Plain, Array.isArray(value) ? undefined : value); // a list would pass for a record
  const data = map.success ? map.output.data : plain.success ? plain.output : undefined;
  if (!data) throw wrong("neither a kubeconfig nor a config map nor plain variables");
  return { kind: "mesh-env", layer: meshEnvLayer(data, "namespace", path) };
}
