import { stringify } from "yaml";
import { createAuthority } from "../emulators/certificates.ts";
import { Cluster } from "./cluster.ts";
import { buildImage, Container, type ContainerOptions } from "./container.ts";
import { idTokenClaims } from "../emulators/json_web_token.ts";
import { type Registration, registrationObjects } from "../../lib/registration/mod.ts";
import { frontEndConfig, type FrontEndOptions } from "./envoy_configs.ts";
import { type E2eGoogle, startE2eGoogle } from "./google.ts";
import { applyHgate, HGATE, removeHgate, untilHgate } from "./hgate.ts";
import { echo, envoyPod, istiodOutside, meshEnv, NAMESPACE, namespace, runnerRights, SERVICE } from "./objects.ts";
import { eventually, must } from "./process.ts";
import type { E2eSettings } from "./settings.ts";

export const GOLDEN = "localhost/krun-e2e/golden:test";
export const FORTIO = "localhost/krun-e2e/fortio:test";

const PORTS = [{ name: "http", port: 8080 }, { name: "grpc", port: 8079 }];

/** Everything around a krun container: echo pod, gate, front end, registration, and the credentials of a run. */
export type FrontEndLimits = Pick<FrontEndOptions, "streams" | "streamLife" | "connectionLife">;

export interface E2eWorld extends AsyncDisposable {
  settings: E2eSettings;
  cluster: Cluster;
  /** Kubeconfig of an account that has the original's rights and no others. */
  runnerKubeconfig: string;
  /** Where the front end answers for this process, and what it must be asked with. */
  /** Where it is now. */
  frontEnd: { address: string; port: number; host: string; ca: string; idToken: () => string };
  peer: string;
  /** Both ends of requests; in krun's container it is /e2e/mesh-peer. */
  meshPeer: string;
  /** As cr-e2e is registered. */
  registration: Registration;
  /** Google as the gate sees it. */
  google: E2eGoogle;
  /** Address of the gate inside the VPC. */
  gateAddress: string;
  /** Another front end in place of the one there is, with other limits; without any, as at the start. */
  changeFrontEnd(limits?: FrontEndLimits): Promise<void>;
  /** fortio's curl from the injected pod to the app behind the gate. @returns head and body */
  fromPod(path: string): Promise<string>;
  /** The same until the answer matches. */
  reached(krun: Container, path: string, expected: RegExp): Promise<void>;
  startKrun(
    runtime: string,
    options?: Partial<Pick<ContainerOptions, "image" | "env" | "command" | "mounts" | "options">>,
  ): Container;
}

/** Builds the images, brings the objects about and waits until all pods are ready. */
export async function startE2eWorld(settings: E2eSettings, say: (text: string) => void): Promise<E2eWorld> {
  const cluster = new Cluster(settings.kubeconfig);
  const directory = await Deno.makeTempDir({ prefix: "krun-e2e-" });
  const running = new AsyncDisposableStack();
  say("images");
  await must([settings.compiler, "task", "compile"], { timeoutMs: 300_000 });
  for (const name of ["peer", "mesh_peer", "counting_app"]) {
    const output = `${directory}/${name.replace("_", "-")}`;
    await must([settings.compiler, "compile", "--no-check", "-q", "-A", "-o", output, `tests/e2e/${name}.ts`]);
  }
  await buildImage(settings, GOLDEN, "samples/golden/Dockerfile", { BASE: settings.base });
  await buildImage(settings, FORTIO, "samples/fortio/Dockerfile", { BASE: GOLDEN, FORTIO: settings.fortio });
  await buildImage(settings, HGATE, "manifests/hgate/Dockerfile", { BASE: settings.base });
  if (settings.load.length > 0) {
    for (const image of [FORTIO, HGATE]) await must([...settings.load, image], { timeoutMs: 300_000 });
  }

  say("objects");
  await cluster.tryKubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=true");
  await cluster.apply(namespace);
  await eventually(
    "the namespace's default account",
    async () => (await cluster.tryKubectl("-n", NAMESPACE, "get", "serviceaccount", "default")).code === 0 || undefined,
  );
  const istiod = settings.istiodAddress || await nodeAddress(cluster);
  const root = await cluster.get<{ data: Record<string, string> }>(
    "-n",
    "istio-system",
    "configmap",
    "istio-ca-root-cert",
  );
  await cluster.apply(
    ...await runnerRights(),
    meshEnv({
      PROJECT_ID: "e2e-project",
      PROJECT_NUMBER: "1234567890",
      CLUSTER_NAME: "e2e",
      CLUSTER_LOCATION: "us-central1",
      IMCON_ADDR: istiod,
      MCON_ADDR: istiod,
      TRUST_DOMAIN: "cluster.local",
      CAROOT_ISTIOD: root.data["root-cert.pem"]!,
    }),
    ...echo(FORTIO),
    ...(settings.istiodAddress ? [] : [istiodOutside(istiod)]),
  );
  const google = running.use(await startE2eGoogle(settings));
  const { signer } = google.metadata;
  const authority = createAuthority("e2e front end CA");
  const host = `${SERVICE}.a.run.app`;
  const certificate = authority.issue({ commonName: host, subjectAltNames: ["*.a.run.app"] });
  const frontEndObjects = (limits: FrontEndLimits = {}) =>
    envoyPod(
      "front-end",
      FORTIO,
      frontEndConfig({ service: SERVICE, container: settings.containerAddress, jwk: signer.jwks.keys[0]!, ...limits }),
      { "tls.crt": certificate.certificatePem, "tls.key": certificate.privateKeyPem },
      { port: 443, targetPort: 8443 },
    );
  await cluster.apply(...frontEndObjects());
  const frontEndService = await cluster.get<{ spec: { clusterIP: string } }>("-n", NAMESPACE, "service", "front-end");
  const idToken = () => signer.sign(idTokenClaims(`https://${host}`, "e2e@example.com", 3_600));
  await applyHgate(cluster, directory, {
    frontEnd: { host, address: frontEndService.spec.clusterIP, roots: authority.certificatePem },
    metadataHost: google.metadataHost,
    cloudRunEndpoint: google.cloudRunEndpoint,
  });
  const runnerKubeconfig = `${directory}/kubeconfig`;
  await Deno.writeTextFile(runnerKubeconfig, await limitedKubeconfig(cluster));
  await Deno.chmod(directory, 0o755);
  say("pods");
  for (const name of ["echo", "front-end"]) {
    await cluster.kubectl("-n", NAMESPACE, "rollout", "status", `deployment/${name}`, "--timeout=120s");
  }
  const gateAddress = await untilHgate(cluster);
  const registration = { name: SERVICE, namespace: NAMESPACE, url: `https://${host}`, gateAddress, ports: PORTS };
  await cluster.apply(...registrationObjects(registration));
  const frontEnd = { address: "", port: 8443, host, ca: authority.certificatePem, idToken };
  const findFrontEnd = async () => {
    const { items } = await cluster.get<
      { items: { metadata: { deletionTimestamp?: string }; status: { podIP: string } }[] }
    >(
      ...["-n", NAMESPACE, "pods", "-l", "app=front-end"],
    );
    frontEnd.address = items.find(({ metadata }) => !metadata.deletionTimestamp)!.status.podIP;
  };
  await findFrontEnd();

  const fromPod = async (path: string) => {
    const url = `http://${SERVICE}:8080${path}`;
    const { stdout, stderr } = await cluster.exec(
      NAMESPACE,
      "deployment/echo",
      "echo",
      "/usr/local/bin/fortio",
      "curl",
      url,
    );
    return stdout + stderr;
  };
  return {
    settings,
    cluster,
    runnerKubeconfig,
    fromPod,
    google,
    gateAddress,
    async reached(krun, path, expected) {
      await eventually("the app behind the gate", async () => {
        const answer = await fromPod(path);
        if (!expected.test(answer)) throw new Error(answer);
        return true;
      }).catch((error) => {
        throw new Error(`${error.message}\n${krun.log()}`);
      });
    },
    peer: `${directory}/peer`,
    meshPeer: `${directory}/mesh-peer`,
    registration,
    async changeFrontEnd(limits = {}) {
      await cluster.apply(...frontEndObjects(limits));
      await cluster.kubectl("-n", NAMESPACE, "rollout", "restart", "deployment/front-end");
      await cluster.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/front-end", "--timeout=60s");
      await findFrontEnd();
    },
    frontEnd,
    startKrun(runtime, options = {}) {
      return Container.start(settings, runtime, {
        image: options.image ?? FORTIO,
        name: `krun-e2e-${crypto.randomUUID().slice(0, 8)}`,
        env: {
          KUBECONFIG: "/e2e/kubeconfig",
          WORKLOAD_NAME: SERVICE,
          MESH_DEBUG: "true",
          KRUN_LOG_FORMAT: "text",
          ...options.env,
        },
        mounts: { [directory]: "/e2e", ...options.mounts },
        ...(options.command ? { command: options.command } : {}),
        ...(options.options ? { options: options.options } : {}),
      });
    },
    async [Symbol.asyncDispose]() {
      await removeHgate(cluster, directory);
      await running.disposeAsync();
      await cluster.tryKubectl("delete", "namespace", NAMESPACE, "--wait=false");
      if (!settings.istiodAddress) {
        await cluster.tryKubectl("-n", "istio-system", "delete", "service", "krun-e2e-istiod");
      }
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** The administrator's cluster with the runner's token in place of the administrator. */
async function limitedKubeconfig(cluster: Cluster): Promise<string> {
  const own = JSON.parse(await cluster.kubectl("config", "view", "--raw", "--minify", "-o", "json"));
  const token = (await cluster.kubectl("-n", NAMESPACE, "create", "token", "krun-runner", "--duration=2h")).trim();
  return stringify({ // as people have it; an executable has to read it too
    apiVersion: "v1",
    kind: "Config",
    clusters: own.clusters,
    users: [{ name: "krun-runner", user: { token } }],
    contexts: [{ name: "e2e", context: { cluster: own.clusters[0].name, user: "krun-runner", namespace: NAMESPACE } }],
    "current-context": "e2e",
  });
}

async function nodeAddress(cluster: Cluster): Promise<string> {
  const nodes = await cluster.get<{ items: { status: { addresses: { type: string; address: string }[] } }[] }>("nodes");
  return nodes.items[0]!.status.addresses.find(({ type }) => type === "InternalIP")!.address;
}
