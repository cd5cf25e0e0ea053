import {
  apply,
  ConflictError,
  type KubeClient,
  type KubeObject,
  loadBalancerAddress,
  ownedData,
} from "../../kube/mod.ts";
import * as v from "valibot";

export const MESH_ENV = "mesh-env";
/** Made by istiod in every namespace: the roots that its own certificate and those of workloads are verified with. */
export const ISTIO_ROOTS = "istio-ca-root-cert";
export const EXTERNAL_SERVICE = "hgate";

/** What is known of the cluster without asking it. */
export interface MeshFacts {
  projectId?: string | undefined;
  projectNumber?: string | undefined;
  clusterName?: string | undefined;
  clusterLocation?: string | undefined;
  meshTenant?: string | undefined;
  trustDomain?: string | undefined;
}

const Data = v.record(v.string(), v.string());

export function dataOf(configMap: KubeObject | undefined): Record<string, string> {
  const data = v.safeParse(Data, configMap?.["data"]);
  return data.success ? data.output : {};
}

/** What mesh-env should say; a key whose value is not known is left out. */
export function meshEnvOf(
  facts: MeshFacts,
  cluster: { internal?: KubeObject | undefined; external?: KubeObject | undefined; roots?: KubeObject | undefined },
): Record<string, string> {
  const all = {
    PROJECT_ID: facts.projectId,
    PROJECT_NUMBER: facts.projectNumber,
    CLUSTER_NAME: facts.clusterName,
    CLUSTER_LOCATION: facts.clusterLocation,
    MESH_TENANT: facts.meshTenant,
    TRUST_DOMAIN: facts.trustDomain,
    IMCON_ADDR: loadBalancerAddress(cluster.internal),
    MCON_ADDR: loadBalancerAddress(cluster.external),
    CAROOT_ISTIOD: dataOf(cluster.roots)["root-cert.pem"],
  };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => Boolean(entry[1])));
}

/** What is to be applied to what is there: our keys, and no person's. */
export function planMeshEnv(
  current: KubeObject | undefined,
  desired: Readonly<Record<string, string>>,
): { data: Record<string, string>; kept: string[]; isNeeded: boolean } {
  const there = dataOf(current);
  const owned = current ? ownedData(current) : new Set<string>();
  const kept = Object.keys(desired).filter((key) => Object.hasOwn(there, key) && !owned.has(key)).sort();
  // A value that is not known just now, such as an address that is being moved, stays what it was.
  const last = Object.entries(there).filter(([key]) => owned.has(key));
  const ours = Object.entries(desired).filter(([key]) => !kept.includes(key));
  const data = Object.fromEntries([...last, ...ours]);
  return { data, kept, isNeeded: ours.some(([key, value]) => there[key] !== value) };
}

/** Keeps the config map true; what a person has set in it stays theirs, which is said once for each value. */
export class MeshEnvKeeper {
  #said = "";

  constructor(
    readonly kube: KubeClient,
    readonly namespace: string,
    readonly say: (line: string) => void,
  ) {}

  /** @param current with its managed fields */
  async reconcile(
    current: KubeObject | undefined,
    desired: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<void> {
    const plan = planMeshEnv(current, desired);
    const there = dataOf(current);
    this.#sayKept(plan.kept.filter((key) => there[key] !== desired[key]));
    if (!plan.isNeeded) return;
    const { data } = plan;
    try {
      await this.#apply(data, signal);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      const theirs = error.conflicts.map(({ field }) => field.replace(/^\.data\./, ""));
      if (!theirs.some((key) => Object.hasOwn(data, key))) throw error;
      this.#sayKept(theirs);
      for (const key of theirs) delete data[key];
      await this.#apply(data, signal);
    }
    this.say(`${this.namespace}/${MESH_ENV} has ${Object.keys(data).sort().join(", ")}`);
  }

  #apply(data: Record<string, string>, signal?: AbortSignal): Promise<KubeObject> {
    const metadata = { name: MESH_ENV, namespace: this.namespace };
    return apply(this.kube, { apiVersion: "v1", kind: "ConfigMap", metadata, data }, { signal });
  }

  #sayKept(keys: readonly string[]): void {
    const list = keys.join(", ");
    if (list && list !== this.#said) this.say(`${this.namespace}/${MESH_ENV}: a person's values stay: ${list}`);
    this.#said = list;
  }
}
