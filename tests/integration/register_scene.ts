/** What `register-service` finds: a namespace, Cloud Run services, objects of a cluster, a gate that says its routes. */
import type { Outcome } from "../../lib/admin/mod.ts";
import type { KubeObject } from "../../lib/kube/mod.ts";
import { runService, type RunServiceResource } from "../emulators/cloud_run.ts";
import { jsonAnswer } from "../emulators/http_server.ts";
import { type AdminWorld, PROJECT, PROJECT_NUMBER, REGION } from "./admin_world.ts";

/** Namespace shop. */
export function shop({ put }: AdminWorld, labels: Record<string, string> = {}): void {
  put("namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", labels } });
}

export const uriOf = (region: string, service = "web") => `https://${service}-abcdefghij-${region}.a.run.app`;

/** A service of Cloud Run. @returns its name in full */
export function cloudRunService(
  { cloudRun: { state } }: AdminWorld,
  given: { region?: string; service?: string; fields?: Partial<RunServiceResource> } = {},
): string {
  const { region = REGION, service = "web", fields = {} } = given;
  const uri = uriOf(region, service);
  const resource = runService({
    project: PROJECT,
    projectNumber: PROJECT_NUMBER,
    region,
    service,
    // With an etag it stays as it is: others are filled in when they are first looked at.
    fields: { uri, urls: [uri], etag: "as-it-is", ...fields },
  });
  if (!fields.template) resource.template!.serviceAccount = `k8s-shop@${PROJECT}.iam.gserviceaccount.com`;
  state.services.push(resource);
  if (!state.regions.includes(region)) state.regions.push(region);
  return resource.name;
}

/** An object of namespace shop. */
export function object({ kubernetes: { objects } }: AdminWorld, resource: string, name: string): KubeObject {
  const found = objects.row(resource, "shop", name)?.object;
  if (!found) throw new Error(`no ${resource} ${name}`);
  return found as KubeObject;
}

/** `Kind name` of all in namespace shop that this program made. */
export function made({ kubernetes: { objects } }: AdminWorld): string[] {
  return objects.all().map(([, object]) => object as KubeObject)
    .filter(({ metadata }) =>
      metadata.namespace === "shop" && metadata.labels?.["app.kubernetes.io/managed-by"] === "cloud-run-mesh"
    )
    .map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort();
}

export interface SaidRoute {
  service: string;
  to: string;
  /** @default 0 */
  open?: number;
}

/** Pods of the gate that are ready; each says its routes when it is asked. */
export function gatePods(
  { kubernetes: { state }, put }: AdminWorld,
  pods: Record<string, () => { routes?: SaidRoute[]; problems?: { object: string; problem: string }[] }>,
): void {
  for (const [name, say] of Object.entries(pods)) {
    put("pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "istio-system", labels: { app: "hgate" } },
      status: { conditions: [{ type: "Ready", status: "True" }] },
    });
    state.podPorts[`istio-system/${name}:8080`] = (path) => {
      const { routes = [], problems = [] } = say();
      const report = routes.map((route) => ({ kind: "tunnel", names: [], open: 0, ...route }));
      return path === "/debug/routes"
        ? jsonAnswer(200, { engine: "envoy", notReady: null, isLeader: false, routes: report, problems })
        : { status: 404 };
    };
  }
}

/** What the check of the gate's routes has seen. */
export function checkOf({ steps }: Outcome): { state: string; detail: string | undefined } {
  const { state, detail } = steps.find(({ action }) => action === "check")!;
  return { state, detail };
}
