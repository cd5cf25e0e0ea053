/** The gate's controller against an emulated API server and Cloud Run. */
import { Secret } from "../../lib/base/secret.ts";
import { Problem } from "../../lib/base/errors.ts";
import {
  type CloudRunService,
  type Controller,
  type ControllerOptions,
  type GateRoutes,
  startController,
} from "../../lib/gate/mod.ts";

import { KubeClient, type KubeObject } from "../../lib/kube/mod.ts";
import { createAuthority } from "../emulators/certificates.ts";
import { createSigner } from "../emulators/json_web_token.ts";
import { type KubernetesEmulator, startKubernetes } from "../emulators/kubernetes.ts";
import type { StoredObject } from "../emulators/kubernetes_store.ts";

const USER = "system:serviceaccount:istio-system:hgate";
const authority = createAuthority("cluster-ca");
/** Made once: an RSA key takes its time. */
const signer = createSigner();

export class ControllerWorld implements AsyncDisposable {
  /** `region/service` → what Cloud Run says. */
  readonly cloudRun = new Map<string, CloudRunService>();
  asked = 0;
  /** Routes as they came. */
  readonly told: GateRoutes[] = [];
  readonly #undo = new AsyncDisposableStack();

  private constructor(readonly server: KubernetesEmulator) {
    this.#undo.use(server);
  }

  static async start(): Promise<ControllerWorld> {
    const world = new ControllerWorld(
      await startKubernetes({ authority, signer, tokens: { "gate-token": USER }, permissions: [{ subject: USER }] }),
    );
    world.put("configmaps", { name: "istio-ca-root-cert", namespace: "istio-system" }, {
      data: { "root-cert.pem": "ROOT 1" },
    });
    world.put("namespaces", { name: "prod", labels: { "cloud-run-mesh/auto-registration": "enabled" } });
    world.put("namespaces", { name: "closed" });
    world.address("internal-hgate", "10.0.0.9");
    world.cloudRun.set("us-central1/web", {
      urls: ["https://web-abc-uc.a.run.app", "https://web-1.us-central1.run.app"],
      timeoutMs: 300_000,
      concurrency: 80,
      audiences: [],
    });
    return world;
  }

  controller(options: Partial<ControllerOptions> = {}): Controller {
    const { server } = this;
    const kube = this.#undo.use(
      new KubeClient({
        origin: "the emulator",
        server: server.origin,
        ca: authority.certificatePem,
        authorization: () => Promise.resolve(new Secret("Bearer gate-token")),
      }),
    );
    return this.#undo.use(startController({
      kube,
      identity: "pod-1",
      clusterDomain: "cluster.local",
      frontEndHosts: ["run.app"],
      istiod: { host: "istiod", port: 15_012, names: ["istiod.istio-system.svc"] },
      facts: { projectId: "my-project", projectNumber: "123", clusterName: "c1", clusterLocation: "us-central1-a" },
      cloudRun: {
        kept: { everyMs: 20, afterFailureMs: 20 },
        service: (_project, region, name) => {
          this.asked++;
          const found = this.cloudRun.get(`${region}/${name}`);
          return found
            ? Promise.resolve(found)
            : Promise.reject(new Problem({ tried: `read ${name}`, got: "404 NOT_FOUND" }));
        },
      },
      onRoutes: (routes) => this.told.push(routes),
      settleMs: 5,
      lease: { everyMs: 20 },
      ...options,
    }));
  }

  put(
    resource: string,
    metadata: Record<string, unknown>,
    more: Record<string, unknown> = {},
    manager?: string,
  ): StoredObject {
    const [apiVersion, kind] = KINDS[resource]!;
    return this.server.objects.put(resource, { apiVersion, kind, metadata, ...more }, manager);
  }

  /** A load balancer's address for one of the gate's Services. */
  address(name: string, ip: string): void {
    this.put("services", { name, namespace: "istio-system" }, { status: { loadBalancer: { ingress: [{ ip }] } } });
  }

  get(resource: string, namespace: string, name: string): KubeObject | undefined {
    return this.server.objects.row(resource, namespace, name)?.object as KubeObject | undefined;
  }

  data(namespace: string, name: string): Record<string, string> {
    return (this.get("configmaps", namespace, name)?.["data"] ?? {}) as Record<string, string>;
  }

  /** `Kind namespace/name` of everything that this program made. */
  made(): string[] {
    return Object.keys(KINDS).flatMap((resource) => this.server.objects.list(resource))
      .filter(({ metadata }) =>
        (metadata.labels as Record<string, string> | undefined)?.["app.kubernetes.io/managed-by"]
      )
      .map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync();
  }
}

const KINDS: Record<string, [apiVersion: string, kind: string]> = {
  configmaps: ["v1", "ConfigMap"],
  events: ["v1", "Event"],
  namespaces: ["v1", "Namespace"],
  services: ["v1", "Service"],
  workloadentries: ["networking.istio.io/v1", "WorkloadEntry"],
  destinationrules: ["networking.istio.io/v1", "DestinationRule"],
  sidecars: ["networking.istio.io/v1", "Sidecar"],
  peerauthentications: ["security.istio.io/v1", "PeerAuthentication"],
};
