import { type CloudRunEmulator, startCloudRun } from "../emulators/cloud_run.ts";
import { type MetadataEmulator, startMetadata } from "../emulators/metadata.ts";
import { relay } from "./relay.ts";
import type { E2eSettings } from "./settings.ts";

export const PROJECT = { projectId: "e2e-project", projectNumber: "1234567890" };

/** Google's side of the gate, served by this process: pods reach it by this machine's address. */
export interface E2eGoogle extends AsyncDisposable {
  /** Its faults are the token source's; its signer's key is the front end's to check with. */
  metadata: MetadataEmulator;
  /** `GCE_METADATA_HOST` of the gate. */
  metadataHost: string;
  cloudRun: CloudRunEmulator;
  /** `CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN` of the gate. */
  cloudRunEndpoint: string;
}

export async function startE2eGoogle({ ownAddress }: E2eSettings): Promise<E2eGoogle> {
  const running = new AsyncDisposableStack();
  const metadata = running.use(
    await startMetadata({ ...PROJECT, email: `hgate@${PROJECT.projectId}.iam.gserviceaccount.com` }),
  );
  const { accessTokens } = metadata;
  const cloudRun = running.use(await startCloudRun({ accessTokens, projectId: PROJECT.projectId }));
  return {
    metadata,
    cloudRun,
    cloudRunEndpoint: `http://${ownAddress}:${running.use(relay(cloudRun.port)).port}/`,
    metadataHost: `${ownAddress}:${running.use(relay(metadata.port)).port}`,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
