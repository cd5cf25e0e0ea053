/** Discovery inside the test's own process, against the emulators. */
import { setUpLogging } from "../../lib/base/log.ts";
import { discover } from "../../lib/cluster/mod.ts";
import type { Settings } from "../../lib/settings/mod.ts";
import { gkeCluster } from "../emulators/gke.ts";
import { type KubernetesEmulator, startKubernetes } from "../emulators/kubernetes.ts";
import type { World } from "../emulators/world.ts";

export interface Found {
  settings: Settings;
  /** For people, `undefined` where no mesh is wanted. */
  cluster: string | undefined;
  /** How it was reached. */
  way: string | undefined;
  /** Lines of the log from information up. */
  log: string[];
}

/** What a start finds in this world with these further variables and flags. */
export async function find(
  world: World,
  environment: Readonly<Record<string, string>> = {},
  flags: Readonly<Record<string, string | boolean>> = {},
): Promise<Found> {
  const log: string[] = [];
  await setUpLogging({ level: "info", format: "json", write: (line) => log.push(JSON.parse(line).message) });
  try {
    const found = await discover({ environment: { ...world.environment, ...environment }, flags });
    using kube = found.kube;
    return { settings: found.settings, cluster: found.cluster, way: kube?.access.origin, log };
  } finally {
    await setUpLogging({ level: "error", format: "text", write: () => {} });
  }
}

/** Adds a cluster that comes before the world's own, `istio-a`, with its API server at `endpoint`. */
export function addFirst(world: World, endpoint: string, fields: Record<string, unknown> = {}): void {
  world.gke.state.clusters.push(gkeCluster({
    name: "istio-a",
    location: "us-central1",
    endpoint,
    caPem: world.kubernetes.authority.certificatePem,
    projectId: "demo-project",
    fields: { resourceLabels: { mesh_id: "x" }, ...fields },
  }));
}

/** Another API server with the same CA, accounts and permissions, and a mesh-env of its own. */
export async function anotherServer(world: World): Promise<KubernetesEmulator> {
  const { authority, signer, state } = world.kubernetes;
  return await startKubernetes({
    authority,
    signer,
    userOfToken: (token) => world.accessTokens.ownerOf(token),
    configMaps: { "istio-system": { "mesh-env": { IMCON_ADDR: "192.0.2.99" } } },
    serviceAccounts: state.serviceAccounts,
    permissions: [...state.permissions],
  });
}
