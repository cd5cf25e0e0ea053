import { parse } from "yaml";
import assert from "node:assert/strict";
import { AccessTokens } from "../emulators/access_tokens.ts";
import { gkeCluster, startGke } from "../emulators/gke.ts";
import { startMetadata } from "../emulators/metadata.ts";
import { startResourceManager } from "../emulators/resource_manager.ts";
import { NAMESPACE, SERVICE } from "./objects.ts";
import { relay } from "./relay.ts";
import type { E2eWorld } from "./world.ts";

/**
 * The way of a Cloud Run container: nothing but Cloud Run's own variables and a metadata server. GKE's list names two clusters; the better one
 * does not answer, the other is the real cluster, and the instance's access token is good there.
 */
export async function asOnCloudRun(world: E2eWorld, runtime: string): Promise<void> {
  const kubeconfig = parse(await Deno.readTextFile(world.runnerKubeconfig));
  const { server, "certificate-authority-data": ca } = kubeconfig.clusters[0].cluster;
  const accessTokens = new AccessTokens();
  const project = { projectId: "e2e-project", projectNumber: "1234567890" };
  const cluster = (name: string, endpoint: string, labels: Record<string, string>) =>
    gkeCluster({
      name,
      location: "us-central1",
      endpoint,
      caPem: atob(ca),
      projectId: project.projectId,
      fields: { resourceLabels: labels },
    });
  await using running = new AsyncDisposableStack();
  const metadata = running.use(
    await startMetadata({
      ...project,
      accessTokens,
      accessToken: kubeconfig.users[0].user.token,
      email: `k8s-${NAMESPACE}@${project.projectId}.iam.gserviceaccount.com`,
    }),
  );
  const gke = running.use(
    await startGke({
      ...project,
      accessTokens,
      clusters: [
        cluster("another", new URL(server).host, {}),
        cluster("istio-dead", "192.0.2.1", { mesh_id: "proj-1234567890" }), // RFC 5737: nobody answers there
      ],
    }),
  );
  const resourceManager = running.use(
    await startResourceManager({
      accessTokens,
      projects: [{ name: "projects/1234567890", projectId: project.projectId, state: "ACTIVE", labels: {} }],
    }),
  );
  const address = (port: number) => `${world.settings.ownAddress}:${running.use(relay(port)).port}`;
  await using krun = world.startKrun(runtime, {
    env: {
      KUBECONFIG: "",
      WORKLOAD_NAME: "",
      K_SERVICE: SERVICE,
      K_REVISION: `${SERVICE}-00001-abc`,
      PORT: "15009",
      KRUN_CLUSTER_BUDGET_MS: "1500",
      GCE_METADATA_HOST: address(metadata.port),
      CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER: `http://${address(gke.port)}/`,
      CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER: `http://${address(resourceManager.port)}/`,
    },
    command: ["/usr/local/bin/fortio", "server"],
  });
  await krun.said("in the mesh after", 60_000);
  assert.match(krun.log(), /GKE cluster istio-dead in us-central1 is passed over: no answer within/, krun.log());
  assert.match(krun.log(), /cluster=GKE cluster another in us-central1/, krun.log());
  await world.reached(
    krun,
    "/debug",
    /X-Forwarded-Client-Cert:.*URI=spiffe:\/\/cluster\.local\/ns\/krun-e2e\/sa\/echo/i,
  );
}
