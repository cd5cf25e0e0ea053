/** What the commands for Cloud Run services find: a namespace of the mesh, and a service as people have it. */
import type { RunServiceResource } from "../emulators/cloud_run.ts";
import { type AdminWorld, PROJECT, REGION } from "./admin_world.ts";
import { shop } from "./register_scene.ts";

export const WEB = `projects/${PROJECT}/locations/${REGION}/services/web`;
export const ACCOUNT = `k8s-shop@${PROJECT}.iam.gserviceaccount.com`;
export const GOLDEN = "us-docker.pkg.dev/p/r/golden:1";
export const APP = "us-docker.pkg.dev/p/r/web:7";

/** A service that knows nothing of a mesh, in all that people give it. */
export async function webService(world: AdminWorld, fields: Partial<RunServiceResource> = {}): Promise<void> {
  shop(world);
  await world.cloudRun.edit(WEB, {
    labels: { team: "shop" },
    annotations: { "example.com/owner": "shop" },
    template: {
      labels: { tier: "web" },
      annotations: { "example.com/note": "x" },
      serviceAccount: ACCOUNT,
      timeout: "120s",
      scaling: { minInstanceCount: 1, maxInstanceCount: 5 },
      vpcAccess: { connector: `projects/${PROJECT}/locations/${REGION}/connectors/c`, egress: "PRIVATE_RANGES_ONLY" },
      containers: [{
        image: APP,
        ports: [{ containerPort: 3000 }],
        env: [
          { name: "GREETING", value: "hello" },
          { name: "DB", valueSource: { secretKeyRef: { secret: "db", version: "1" } } },
        ],
        resources: { limits: { cpu: "2", memory: "1Gi" }, cpuIdle: true },
        startupProbe: { httpGet: { path: "/ready" }, periodSeconds: 1, failureThreshold: 60 },
        volumeMounts: [{ name: "sql", mountPath: "/cloudsql" }],
      }],
      volumes: [{ name: "sql", cloudSqlInstance: { instances: ["p:r:db"] } }],
    },
    ...fields,
  });
  world.cloudRun.state.pollsUntilDone = 1;
}

/** As it is now. */
export function webNow({ cloudRun: { state } }: AdminWorld): RunServiceResource {
  return state.services.find(({ name }) => name === WEB)!;
}
