import { follow, type Followed, type KubeClient, type KubeObject, RESOURCES, type Selection } from "../../kube/mod.ts";
import {
  INTERNAL_GATE,
  MANAGED_BY,
  MANAGED_BY_US,
  PASSTHROUGH_LABEL,
  REGISTERED,
  SERVICES_CONFIG_MAP,
} from "../../registration/mod.ts";
import { EXTERNAL_SERVICE, ISTIO_ROOTS, MESH_ENV } from "./mesh_env.ts";
import type { RouteSources } from "./routes.ts";

type Trouble = (what: string) => (error: Error, waitMs: number) => void;

/** The objects that routes are made of. */
export interface RouteSets {
  all: readonly Followed[];
  objects(): RouteSources;
  /** Of the same, what asks for registration. */
  registration(): { namespaces: KubeObject[]; services: KubeObject[] };
}

export function followRoutes(
  kube: KubeClient,
  options: { passthrough: boolean; onChange: () => void; onTrouble: Trouble },
): RouteSets {
  const { onChange, onTrouble } = options;
  const on = (selection: Selection) =>
    follow(kube, selection, { onChange, onTrouble: onTrouble(selection.resource.resource) });
  const registered = { labelSelector: REGISTERED };
  const services = on({ resource: RESOURCES.Service, ...registered });
  const workloadEntries = on({ resource: RESOURCES.WorkloadEntry, ...registered });
  const serviceEntries = on({ resource: RESOURCES.ServiceEntry, ...registered });
  const destinationRules = on({ resource: RESOURCES.DestinationRule, ...registered });
  const namespaces = on({ resource: RESOURCES.Namespace });
  const passthrough = options.passthrough
    ? on({ resource: RESOURCES.Service, labelSelector: `${PASSTHROUGH_LABEL}=allowed` })
    : undefined;
  const all = [services, workloadEntries, serviceEntries, destinationRules, namespaces];
  return {
    all: passthrough ? [...all, passthrough] : all,
    objects: () => ({
      services: services.items(),
      workloadEntries: workloadEntries.items(),
      serviceEntries: serviceEntries.items(),
      destinationRules: destinationRules.items(),
      namespaces: namespaces.items(),
      ...(passthrough ? { passthrough: passthrough.items() } : {}),
    }),
    registration: () => ({ namespaces: namespaces.items(), services: services.items() }),
  };
}

/** What the replica that writes follows beside them. */
export interface WriteSets {
  all: readonly Followed[];
  /** With its managed fields. */
  meshEnvObject(): KubeObject | undefined;
  cluster(): { internal: KubeObject | undefined; external: KubeObject | undefined; roots: KubeObject | undefined };
  registration(sets: RouteSets): { configMaps: KubeObject[]; made: KubeObject[] };
}

export function followWrites(
  kube: KubeClient,
  options: { namespace: string; register: boolean; onChange: () => void; onTrouble: Trouble },
): WriteSets {
  const { namespace, onChange, onTrouble } = options;
  const on = (selection: Selection, keep?: (object: KubeObject) => KubeObject) =>
    follow(kube, selection, {
      onChange,
      onTrouble: onTrouble(selection.resource.resource),
      ...(keep ? { keep } : {}),
    });
  const named = (name: string) => ({ namespace, fieldSelector: `metadata.name=${name}` });
  const meshEnv = on({ resource: RESOURCES.ConfigMap, ...named(MESH_ENV) }, (object) => object);
  const roots = on({ resource: RESOURCES.ConfigMap, ...named(ISTIO_ROOTS) });
  const internal = on({ resource: RESOURCES.Service, ...named(INTERNAL_GATE) });
  const external = on({ resource: RESOURCES.Service, ...named(EXTERNAL_SERVICE) });
  const made = { labelSelector: `${MANAGED_BY}=${MANAGED_BY_US}` };
  const registration = options.register
    ? {
      configMaps: on({ resource: RESOURCES.ConfigMap, fieldSelector: `metadata.name=${SERVICES_CONFIG_MAP}` }),
      sidecars: on({ resource: RESOURCES.Sidecar, ...made }),
      peerAuthentications: on({ resource: RESOURCES.PeerAuthentication, ...made }),
    }
    : undefined;
  return {
    all: [meshEnv, roots, internal, external, ...Object.values(registration ?? {})],
    meshEnvObject: () => meshEnv.get(namespace, MESH_ENV),
    cluster: () => ({
      internal: internal.get(namespace, INTERNAL_GATE),
      external: external.get(namespace, EXTERNAL_SERVICE),
      roots: roots.get(namespace, ISTIO_ROOTS),
    }),
    registration: (sets) => {
      const { services, workloadEntries, destinationRules } = sets.objects();
      const { sidecars, peerAuthentications, configMaps } = registration ?? {};
      return {
        configMaps: configMaps?.items() ?? [],
        made: [
          ...services,
          ...workloadEntries,
          ...destinationRules,
          ...sidecars?.items() ?? [],
          ...peerAuthentications?.items() ?? [],
        ],
      };
    },
  };
}

/** When the set that is furthest behind was known to be whole. */
export function heardAt(sets: readonly Followed[]): number {
  return Math.min(...sets.map((set) => set.status().currentAt));
}
