/**
 * Everything krun talks to, running and in agreement: Google Cloud around one project, one mesh cluster, Cloud Run's
 * front end. What a test or the demo wants otherwise it changes in the `state` of the emulator in question.
 */
import { AccessTokens } from "./access_tokens.ts";
import { type CertificateAuthority, createAuthority, type KeyPair, rsaKeyPairInBackground } from "./certificates.ts";
import { type CloudRunService, type FrontEndEmulator, startFrontEnd } from "./front_end.ts";
import { gkeCluster, type GkeEmulator, startGke } from "./gke.ts";
import { createSigner } from "./json_web_token.ts";
import { type KubernetesEmulator, type Permission, startKubernetes } from "./kubernetes.ts";
import { type MetadataEmulator, startMetadata } from "./metadata.ts";
import { type ResourceManagerEmulator, startResourceManager } from "./resource_manager.ts";

export interface WorldOptions {
  /** @default "demo-project" */
  projectId?: string;
  /** @default "1234567890" */
  projectNumber?: string;
  /** Of the instance and of the cluster. @default "us-central1" */
  region?: string;
  /** @default "istio-demo" */
  clusterName?: string;
  /** The workload's namespace; it has the service account `default`. @default "demo" */
  namespace?: string;
  /** The account the instance runs as. @default `k8s-NAMESPACE@PROJECT.iam.gserviceaccount.com` */
  email?: string;
  /** Labels of the project. @default {} */
  projectLabels?: Record<string, string>;
  /** Labels of the cluster. @default { mesh_id: "proj-NUMBER" } */
  clusterLabels?: Record<string, string>;
  /** Added to the keys of mesh-env, or in place of them. @default {} */
  meshEnv?: Record<string, string>;
  /** Services of the front end. @default {} */
  services?: Record<string, CloudRunService>;
}

export interface World extends AsyncDisposable {
  metadata: MetadataEmulator;
  gke: GkeEmulator;
  resourceManager: ResourceManagerEmulator;
  kubernetes: KubernetesEmulator;
  frontEnd: FrontEndEmulator;
  accessTokens: AccessTokens;
  /** Stands for a public CA: signs the front end's certificate. The cluster's own is `kubernetes.authority`. */
  publicAuthority: CertificateAuthority;
  /** The mesh's root: `CAROOT_ISTIOD` in mesh-env is its certificate. */
  meshAuthority: CertificateAuthority;
  /** The data of the config map mesh-env in istio-system, to be changed in place. */
  meshEnv: Record<string, string>;
  /** The variables that lead a krun process here; add them to those of its own. */
  environment: Record<string, string>;
}

/**
 * Keys of worlds that are gone, for the next one: RSA keys take some 150 ms each. No two worlds that exist at the same
 * time share a key, and key ids are always new.
 */
const idleKeys: KeyPair[] = [];

/** Starts all emulators, each on a free port of 127.0.0.1. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const projectId = options.projectId ?? "demo-project";
  const projectNumber = options.projectNumber ?? "1234567890";
  const region = options.region ?? "us-central1";
  const clusterName = options.clusterName ?? "istio-demo";
  const namespace = options.namespace ?? "demo";
  const email = options.email ?? `k8s-${namespace}@${projectId}.iam.gserviceaccount.com`;
  await using started = new AsyncDisposableStack();
  const signer = async () => {
    const key = idleKeys.pop() ?? await rsaKeyPairInBackground();
    return createSigner(started.adopt(key, () => void idleKeys.push(key)));
  };
  const [google, cluster] = await Promise.all([signer(), signer()]);
  const meshAuthority = createAuthority("istio-root");
  const publicAuthority = createAuthority("emulated public CA");
  const accessTokens = new AccessTokens();
  const meshEnv: Record<string, string> = {
    PROJECT_ID: projectId,
    PROJECT_NUMBER: projectNumber,
    CLUSTER_NAME: clusterName,
    CLUSTER_LOCATION: region,
    // Addresses that lead nowhere (RFC 5737): a test that dials them has forgotten to give its own.
    IMCON_ADDR: "192.0.2.10",
    MCON_ADDR: "198.51.100.10",
    TRUST_DOMAIN: `${projectId}.svc.id.goog`,
    CAROOT_ISTIOD: meshAuthority.certificatePem,
    ...options.meshEnv,
  };

  const metadata = started.use(
    await startMetadata({ projectId, projectNumber, region, email, accessTokens, signer: google }),
  );
  const kubernetes = started.use(
    await startKubernetes({
      authority: createAuthority("cluster-ca"),
      signer: cluster,
      issuer: `https://container.googleapis.com/v1/projects/${projectId}/locations/${region}/clusters/${clusterName}`,
      userOfToken: (token) => accessTokens.ownerOf(token),
      configMaps: { "istio-system": { "mesh-env": meshEnv } },
      serviceAccounts: { [namespace]: ["default"], "istio-system": ["default"] },
      permissions: workloadPermissions(email, namespace),
    }),
  );
  const gke = started.use(
    await startGke({
      projectId,
      projectNumber,
      accessTokens,
      clusters: [gkeCluster({
        name: clusterName,
        location: region,
        endpoint: kubernetes.host,
        caPem: kubernetes.authority.certificatePem,
        projectId,
        fields: { resourceLabels: options.clusterLabels ?? { mesh_id: `proj-${projectNumber}` } },
      })],
    }),
  );
  const project = { name: `projects/${projectNumber}`, projectId, state: "ACTIVE" as const };
  const resourceManager = started.use(
    await startResourceManager({ accessTokens, projects: [{ ...project, labels: options.projectLabels ?? {} }] }),
  );
  const frontEnd = started.use(
    await startFrontEnd({ authority: publicAuthority, jwks: metadata.signer.jwks, services: options.services ?? {} }),
  );
  const running = started.move();
  return {
    metadata,
    gke,
    resourceManager,
    kubernetes,
    frontEnd,
    accessTokens,
    publicAuthority,
    meshAuthority,
    meshEnv,
    environment: {
      GCE_METADATA_HOST: metadata.host,
      // gcloud's own names for its properties api_endpoint_overrides/…; their values end with a slash.
      CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER: `${gke.origin}/`,
      CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER: `${resourceManager.origin}/`,
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** What the set-up of a namespace grants its Google account, and nothing more: a test takes single entries away. */
export function workloadPermissions(email: string, namespace: string): Permission[] {
  const meshEnv = { verb: "get", resource: "configmaps", name: "mesh-env" };
  return [
    { subject: email, ...meshEnv, namespace: "istio-system" },
    { subject: email, ...meshEnv, namespace },
    { subject: email, verb: "create", resource: "serviceaccounts/token", namespace, name: "default" },
  ];
}
