import { HttpError } from "../../../base/http.ts";
import { parseAs } from "../../../base/json.ts";
import { controlPlaneOf, rootsOf } from "../../../mesh/mod.ts";
import { listAll, type Resource } from "../../../kube/mod.ts";
import { GATE_NAMESPACE } from "../../../registration/mod.ts";
import { meshEnvLayer, resolve, type Settings } from "../../../settings/mod.ts";
import type { MeshEnvCopies } from "../facts.ts";
import { source } from "../source.ts";
import { lookAtPort } from "../tcp_look.ts";
import { lookAtTls } from "../tls_look.ts";
import * as v from "valibot";

export const DEPLOYMENT: Resource = { apiVersion: "apps/v1", kind: "Deployment", resource: "deployments" };

const MESH_ENV = "mesh-env";
const ISTIO_ROOTS = "istio-ca-root-cert";
/** What registrations are written in. */
const ISTIO_GROUPS = ["networking.istio.io/v1", "security.istio.io/v1"] as const;
const ResourceList = v.object({ resources: v.optional(v.array(v.object({ name: v.string() })), []) });

/** Both copies at once; one that may not be read is passed over where the other can be, as krun does. */
export const meshEnv = source<"meshEnv", "cluster" | "version", "namespace">({
  label: "mesh-env",
  needs: ["cluster", "version"],
  wants: ["namespace"],
  async look({ cluster: { kube }, namespace }, _outside, signal) {
    const hasOwn = namespace !== undefined && namespace !== GATE_NAMESPACE;
    const places = hasOwn ? { own: namespace, system: GATE_NAMESPACE } : { system: GATE_NAMESPACE };
    const found: MeshEnvCopies = { own: undefined, system: undefined, refused: [] };
    const refused: ("own" | "system")[] = [];
    let refusal: unknown;
    const read = async ([copy, place]: [string, string]) => {
      const key = copy as "own" | "system";
      try {
        found[key] = await kube.configMap(place, MESH_ENV, { signal });
      } catch (error) {
        if (!(error instanceof HttpError && error.status === 403)) throw error;
        refused.push(key);
        refusal = error;
      }
    };
    await Promise.all(Object.entries(places).map(read));
    if (refusal && !found.own && !found.system) throw refusal;
    return { ...found, refused };
  },
});

export const istioRoot = source<"istioRoot", "cluster" | "version">({
  label: `config map ${ISTIO_ROOTS}`,
  needs: ["cluster", "version"],
  look: async ({ cluster: { kube } }, _outside, signal) =>
    (await kube.configMap(GATE_NAMESPACE, ISTIO_ROOTS, { signal }))?.["root-cert.pem"],
});

export const istiod = source<"istiod", "cluster" | "version">({
  label: "istiod's Deployment",
  needs: ["cluster", "version"],
  look: async ({ cluster: { kube } }, _outside, signal) =>
    (await listAll(kube, { resource: DEPLOYMENT, namespace: GATE_NAMESPACE, labelSelector: "app=istiod" }, { signal }))
      .items,
});

export const istioResources = source<"istioResources", "cluster" | "version">({
  label: "the API server's list of kinds",
  needs: ["cluster", "version"],
  async look({ cluster: { kube } }, _outside, signal) {
    const found = await Promise.all(ISTIO_GROUPS.map(async (group) => {
      const what = `list the kinds of ${group} on ${kube.access.origin}`;
      try {
        const { text } = await kube.request(`/apis/${group}`, { what, signal });
        return [group, parseAs(ResourceList, text, what).resources.map(({ name }) => name)] as const;
      } catch (error) {
        if (error instanceof HttpError && error.status === 404) return [group, []] as const;
        throw error;
      }
    }));
    return Object.fromEntries(found);
  },
});

/** The way that a workload of this mesh takes. */
export const istiodPort = source<"istiodPort", "meshEnv", "cluster">({
  label: "the control plane's port",
  needs: ["meshEnv"],
  wants: ["cluster"],
  async look({ meshEnv, cluster }, { portMs }, signal) {
    const { host, port } = partsOf(controlPlaneOf(settingsOf(meshEnv, cluster?.settings)).xdsAddress);
    return await lookAtPort(host, port, portMs, signal);
  },
});

/** Known by the roots that mesh-env gives to workloads, not by those of this machine. */
export const istiodTls = source<"istiodTls", "meshEnv" | "istiodPort", "cluster">({
  label: "the control plane's certificate",
  needs: ["meshEnv", "istiodPort"],
  wants: ["cluster"],
  async look({ meshEnv, istiodPort, cluster }, _outside, signal) {
    if (istiodPort.outcome !== "open") return undefined;
    const settings = settingsOf(meshEnv, cluster?.settings);
    const controlPlane = controlPlaneOf(settings);
    const { host, port } = partsOf(controlPlane.xdsAddress);
    const name = controlPlane.istiodName ?? host;
    const roots = rootsOf(settings, controlPlane) || undefined;
    return { ...await lookAtTls({ host, port, name, roots }, signal), address: controlPlane.xdsAddress, name };
  },
});

/** krun's own where this is its container; elsewhere what mesh-env alone gives. */
function settingsOf({ own, system }: MeshEnvCopies, settings: Settings | undefined): Settings {
  if (settings) return settings;
  return resolve([
    ...(own ? [meshEnvLayer(own, "namespace", MESH_ENV)] : []),
    ...(system ? [meshEnvLayer(system, "istio-system", MESH_ENV)] : []),
  ]);
}

function partsOf(address: string): { host: string; port: number } {
  const [, host = address, port = "443"] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  return { host, port: Number(port) };
}
