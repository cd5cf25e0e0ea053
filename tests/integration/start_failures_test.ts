/** Every way the start of krun can fail, with the whole message that it ends with. */
import assert from "node:assert/strict";
import { gkeCluster } from "../emulators/gke.ts";
import { startWorld, type World } from "../emulators/world.ts";
import { freePort } from "../free_port.ts";
import { type KrunOptions, messageOf, openCache, runKrun, withDirectory } from "./krun_process.ts";

/** What a case may change, and know for its message. */
interface Scene {
  world: World;
  directory: string;
  environment: Record<string, string>;
  appPort: number;
  options: Partial<KrunOptions>;
}

interface Case {
  name: string;
  /** Only root can start krun as another user. */
  needsRoot?: boolean;
  args?: (scene: Scene) => string[];
  arrange?: (scene: Scene) => unknown;
  /** @default 1 */
  code?: number;
  message: (scene: Scene) => string;
}

const APP = ["sh", "-c", "exec sleep 5"];
const MAP = "/api/v1/namespaces/istio-system/configmaps/mesh-env";
const TOKEN = "/api/v1/namespaces/demo/serviceaccounts/default/token";
const LIST = "v1/projects/demo-project/locations/-/clusters";
const CLUSTER = ({ world }: Scene) =>
  `GKE cluster istio-demo in us-central1 by its public address ${world.kubernetes.host}`;
const ASK_TOKEN = (scene: Scene) =>
  `get a token of service account demo/default for audience demo-project.svc.id.goog on ${CLUSTER(scene)}`;
const EMAIL = "k8s-demo@demo-project.iam.gserviceaccount.com";
/** Where nobody listens. */
const NOBODY = `127.0.0.1:${freePort()}`;
const silent = () => Deno.listen({ hostname: "127.0.0.1", port: 0 });
const MAP_FIX = "\n  do: kubectl -n istio-system get configmap mesh-env -o yaml";

const CASES: Case[] = [
  {
    name: "no metadata server",
    arrange: ({ environment }) => environment["GCE_METADATA_HOST"] = NOBODY,
    message: () =>
      "find a cluster\n  got: no KUBECONFIG, no ~/.kube/config, not in a pod, no PROJECT_ID, and no metadata server at " +
      `${NOBODY}\n` +
      "  do: set KUBECONFIG, or PROJECT_ID with GOOGLE_APPLICATION_CREDENTIALS, or MESH; XDS_ADDR=- runs the app without a mesh",
  },
  {
    name: "a metadata server that is silent",
    arrange: ({ world }) => world.metadata.faults.add({ match: /./, action: "hang" }),
    message: ({ world }) =>
      `find a cluster\n  got: no KUBECONFIG, no ~/.kube/config, not in a pod, no PROJECT_ID, and no metadata server at ${world.metadata.host}\n` +
      "  do: set KUBECONFIG, or PROJECT_ID with GOOGLE_APPLICATION_CREDENTIALS, or MESH; XDS_ADDR=- runs the app without a mesh",
  },
  {
    name: "a project, but nobody to act for",
    arrange: ({ environment }) => Object.assign(environment, { GCE_METADATA_HOST: NOBODY, PROJECT_ID: "p" }),
    message: () =>
      `read instance/service-accounts/default/token from the metadata server (GET http://${NOBODY}/computeMetadata/v1/instance/service-accounts/default/token)\n` +
      "  got: Connection refused\n" +
      "  do: run on Google Cloud, or set GOOGLE_APPLICATION_CREDENTIALS, or: gcloud auth application-default login",
  },
  {
    name: "a malformed access token",
    arrange: ({ world }) =>
      world.metadata.faults.add({ match: /token/, action: "malformed", headers: { "metadata-flavor": "Google" } }),
    message: ({ world }) =>
      `read instance/service-accounts/default/token from the metadata server (GET http://${world.metadata.host}/computeMetadata/v1/instance/service-accounts/default/token)\n` +
      "  got: an answer that is no JSON (12 bytes of broken JSON)",
  },
  {
    name: "403 from GKE",
    arrange: ({ world }) => world.gke.deniedPermissions.add("container.clusters.list"),
    message: ({ world }) =>
      `list the GKE clusters of project demo-project (GET ${world.gke.origin}/${LIST})\n` +
      '  got: 403 PERMISSION_DENIED: Required "container.clusters.list" permission(s) for "projects/demo-project/locations/-/clusters".\n' +
      "  do: the account lacks container.clusters.list and get; grant them: gcloud projects add-iam-policy-binding demo-project " +
      `--member serviceAccount:${EMAIL} --role roles/container.clusterViewer`,
  },
  {
    name: "a malformed list of clusters",
    arrange: ({ world }) => world.gke.faults.add({ match: /clusters/, action: "malformed" }),
    message: ({ world }) =>
      `list the GKE clusters of project demo-project (GET ${world.gke.origin}/${LIST})\n` +
      "  got: an answer that is no JSON (12 bytes of broken JSON)",
  },
  {
    name: "a cluster whose certificate is none",
    arrange: ({ world }) => world.gke.state.clusters[0]!.masterAuth.clusterCaCertificate = "!",
    message: () => "read the CA of a GKE cluster\n  got: no PEM certificate in masterAuth.clusterCaCertificate",
  },
  {
    name: "a cluster whose certificate cannot be read",
    arrange: ({ world }) =>
      world.gke.state.clusters[0]!.masterAuth.clusterCaCertificate = btoa("-----BEGIN CERTIFICATE-----\nx\n"),
    message: (scene) =>
      `connect to ${CLUSTER(scene)}\n  got: its CA or the client's certificate cannot be read\n` +
      "  do: check that they are PEM",
  },
  {
    name: "no cluster that runs",
    arrange: ({ world }) => world.gke.state.clusters[0]!.status = "ERROR",
    message: () =>
      "choose a RUNNING GKE cluster in project demo-project\n  got: istio-demo in us-central1 (ERROR)\n" +
      "  do: check PROJECT_ID, CLUSTER_NAME and CLUSTER_LOCATION, or: gcloud container clusters list --project demo-project",
  },
  {
    name: "two clusters, both dead: one silent, one that refuses",
    arrange: ({ world, environment, options }) => {
      const listener = silent();
      options.cwd = "/";
      scenes.push(listener);
      const { port } = listener.addr as Deno.NetAddr;
      environment["KRUN_CLUSTER_BUDGET_MS"] = "300";
      const caPem = world.kubernetes.authority.certificatePem;
      world.gke.state.clusters = ["istio-a", "istio-b"].map((name, at) =>
        gkeCluster({
          name,
          location: "us-central1",
          endpoint: at === 0 ? `127.0.0.1:${port}` : NOBODY,
          caPem,
          projectId: "demo-project",
        })
      );
    },
    message: () =>
      "reach a cluster's API server (2 tried)\n" +
      "  got: GKE cluster istio-a in us-central1: no answer within its budget of 300 ms; " +
      "GKE cluster istio-b in us-central1: no answer within its budget of 300 ms\n" +
      "  do: check the clusters' authorized networks and this workload's VPC egress, or name a cluster by CLUSTER_NAME and CLUSTER_LOCATION",
  },
  {
    name: "no mesh-env",
    arrange: ({ world }) => delete world.kubernetes.state.configMaps["istio-system"],
    message: () =>
      "find the mesh's control plane for namespace demo\n" +
      "  got: no config map mesh-env (in the namespace or in istio-system) that names it by IMCON_ADDR, MCON_ADDR or MESH_TENANT, and no XDS_ADDR\n" +
      "  do: install the gate (kubectl apply -k manifests/), or set XDS_ADDR=host:15012",
  },
  {
    name: "a mesh-env without roots",
    arrange: ({ world }) => delete world.meshEnv["CAROOT_ISTIOD"],
    message: () =>
      "find the root certificate of 192.0.2.10:15012\n  got: no CAROOT_ISTIOD in mesh-env or the environment\n" +
      "  do: kubectl -n istio-system get configmap istio-ca-root-cert -o jsonpath='{.data.root-cert\\.pem}', and put it into mesh-env as CAROOT_ISTIOD",
  },
  {
    name: "roots that are none",
    arrange: ({ world }) => world.meshEnv["CAROOT_ISTIOD"] = "x",
    message: () =>
      "read the mesh's root certificates (CAROOT_*)\n  got: a value without a PEM certificate\n" +
      "  do: renew CAROOT_ISTIOD in mesh-env from config map istio-ca-root-cert",
  },
  {
    name: "a mesh-env with a value that does not fit",
    code: 2,
    arrange: ({ world }) => world.meshEnv["PORT_grpc"] = "x",
    message: () =>
      "read setting PORT_grpc from mesh-env of istio-system (istio-system/mesh-env)\n" +
      '  got: "x"\n  do: give a whole number from 1 to 65535',
  },
  {
    name: "a malformed mesh-env",
    arrange: ({ world }) => world.kubernetes.faults.add({ match: /istio-system.configmaps/, action: "malformed" }),
    message: (scene) =>
      `read config map istio-system/mesh-env on ${CLUSTER(scene)}\n` +
      `  got: an answer that is no JSON (12 bytes of broken JSON)${MAP_FIX}`,
  },
  {
    name: "mesh-env that may not be read",
    arrange: ({ world }) => world.kubernetes.state.permissions.length = 0,
    message: (scene) =>
      `read config map demo/mesh-env on ${CLUSTER(scene)} (GET ${scene.world.kubernetes.origin}${
        MAP.replace("istio-system", "demo")
      })\n` +
      `  got: 403 Forbidden: configmaps "mesh-env" is forbidden: User "${EMAIL}" cannot get resource "configmaps" in API group "" in the namespace "demo"\n` +
      "  do: kubectl -n demo create role krun-mesh-env --verb=get --resource=configmaps --resource-name=mesh-env && " +
      `kubectl -n demo create rolebinding krun-mesh-env --role=krun-mesh-env --user=${EMAIL}`,
  },
  {
    name: "a token that may not be had",
    arrange: ({ world }) => world.kubernetes.state.permissions.pop(),
    message: (scene) =>
      `${ASK_TOKEN(scene)} (POST ${scene.world.kubernetes.origin}${TOKEN})\n` +
      `  got: 403 Forbidden: serviceaccounts "default" is forbidden: User "${EMAIL}" cannot create resource "serviceaccounts/token" in API group "" in the namespace "demo"\n` +
      "  do: kubectl -n demo create role krun-token --verb=create --resource=serviceaccounts/token --resource-name=default && " +
      `kubectl -n demo create rolebinding krun-token --role=krun-token --user=${EMAIL}`,
  },
  {
    name: "no such service account",
    arrange: ({ world }) => world.kubernetes.state.serviceAccounts["demo"] = [],
    message: (scene) =>
      `${ASK_TOKEN(scene)} (POST ${scene.world.kubernetes.origin}${TOKEN})\n` +
      '  got: 404 NotFound: serviceaccounts "default" not found\n' +
      "  do: kubectl -n demo create serviceaccount default, or set WORKLOAD_NAMESPACE and WORKLOAD_SERVICE_ACCOUNT",
  },
  {
    name: "a malformed token",
    arrange: ({ world }) => world.kubernetes.faults.add({ match: /token/, action: "malformed" }),
    message: (scene) => `${ASK_TOKEN(scene)}\n  got: an answer that is no JSON (12 bytes of broken JSON)`,
  },
  {
    name: "a kubeconfig that is not there",
    arrange: ({ environment }) => environment["KUBECONFIG"] = "/no/such/config",
    message: () => "read kubeconfig /no/such/config\n  got: no such file\n  do: check KUBECONFIG",
  },
  {
    name: "a kubeconfig with credentials that are refused",
    arrange: async ({ world, directory, environment }) => {
      environment["KUBECONFIG"] = `${directory}/config`;
      await Deno.writeTextFile(environment["KUBECONFIG"], world.kubernetes.kubeconfig({ token: "not-this-one" }));
    },
    message: ({ world, directory }) =>
      `read config map demo/mesh-env on kubeconfig ${directory}/config, context emulator (GET ${world.kubernetes.origin}${
        MAP.replace("istio-system", "demo")
      })\n  got: 401 Unauthorized: Unauthorized\n` +
      "  do: the credentials were refused by the API server: check the account and the machine's clock",
  },
  {
    name: "a directory that cannot be written",
    needsRoot: true,
    arrange: async ({ directory, environment, options }) => {
      environment["MESH_BASE_DIR"] = `${directory}/locked`;
      await Deno.mkdir(environment["MESH_BASE_DIR"]);
      await Deno.chmod(directory, 0o755);
      environment["DENO_DIR"] = await openCache(directory);
      options.uid = 65_534;
    },
    message: ({ directory }) =>
      `make directory ${directory}/locked/etc/istio/proxy\n  got: Permission denied\n` +
      `  do: make ${directory}/locked/etc/istio/proxy writable for user 65534, or set MESH_BASE_DIR to a directory that is`,
  },
  {
    name: "no pilot-agent",
    args: () => ["--proxy=envoy", ...APP],
    arrange: ({ environment }) => environment["KRUN_PILOT_AGENT"] = "/no/such/pilot-agent",
    message: () =>
      "find pilot-agent in /no/such/pilot-agent\n  got: no such program\n" +
      "  do: build the image on Istio's proxy image (samples/golden/Dockerfile), or run without a mesh: --proxy=plain",
  },
  {
    name: "a pilot-agent that cannot be executed",
    args: () => ["--proxy=envoy", ...APP],
    arrange: async ({ directory, environment }) => {
      environment["KRUN_PILOT_AGENT"] = `${directory}/pilot-agent`;
      await Deno.writeTextFile(`${directory}/pilot-agent`, "#!/bin/sh\n");
    },
    message: ({ directory }) =>
      `start ${directory}/pilot-agent (KRUN_PILOT_AGENT)\n  got: not executable\n  do: chmod +x ${directory}/pilot-agent`,
  },
  {
    name: "no such app",
    args: () => ["no-such-app"],
    message: () =>
      `start the app: no-such-app\n  got: no such program\n  do: check the image's command and PATH (${
        Deno.env.get("PATH")
      })`,
  },
  {
    name: "an app that cannot be executed",
    args: ({ directory }) => [`${directory}/app`],
    arrange: ({ directory }) => Deno.writeTextFile(`${directory}/app`, "#!/bin/sh\n", { mode: 0o644 }),
    message: ({ directory }) =>
      `start the app: ${directory}/app\n  got: not executable\n  do: chmod +x ${directory}/app`,
  },
  {
    name: "the app's port is taken",
    arrange: ({ appPort }) => scenes.push(Deno.listen({ hostname: "127.0.0.1", port: appPort })),
    message: ({ appPort }) =>
      `keep port ${appPort} for the app\n  got: the port is taken: something listens on it before the app was started\n` +
      `  do: end that process (ss -ltnp 'sport = :${appPort}'), or set PORT_http to the app's own port`,
  },
  {
    name: "the proxy's port is taken",
    args: () => ["--proxy=plain", ...APP],
    arrange: ({ environment }) => {
      const listener = silent();
      scenes.push(listener);
      environment["KRUN_PROXY_PORT"] = String((listener.addr as Deno.NetAddr).port);
    },
    message: ({ environment: { KRUN_PROXY_PORT: port } }) =>
      `listen on 127.0.0.1:${port} for the app's HTTP_PROXY\n  got: the port is taken\n` +
      `  do: end the process that has it (ss -ltnp 'sport = :${port}')`,
  },
  {
    name: "the app does not listen in time",
    arrange: ({ environment }) => environment["KRUN_STARTUP_MS"] = "200",
    message: ({ appPort }) =>
      `wait for the app on 127.0.0.1:${appPort}\n  got: not ready after 200 ms: it does not listen\n` +
      `  do: let the app listen on the port in PORT (${appPort}), or set PORT_http, startupProbe.http, startupProbe.tcp or KRUN_STARTUP_MS`,
  },
  {
    name: "one port for the app and the tunnel's end",
    code: 2,
    args: ({ appPort }) => ["--tunnel=krun", `--tunnel-port=${appPort}`, ...APP],
    message: ({ appPort }) =>
      `keep port ${appPort} for the app\n  got: the tunnel's end is to listen on the same port\n` +
      "  do: deploy the service with --port 15009 (Cloud Run's PORT is the tunnel's), or set PORT_http or KRUN_TUNNEL_PORT",
  },
  {
    name: "an unknown flag",
    code: 2,
    args: () => ["--no-such-flag"],
    message: () => "read the arguments of krun\n  got: Unknown option '--no-such-flag'\n  do: krun --help",
  },
  {
    name: "MESH that is none of its forms",
    code: 2,
    arrange: ({ environment }) => environment["MESH"] = "td:projects=1",
    message: () =>
      'read setting MESH\n  got: "td:projects=1": Traffic Director is not served by this version\n' +
      "  do: give gke://PROJECT, gke://PROJECT/LOCATION/CLUSTER, " +
      "https://container.googleapis.com/v1/projects/PROJECT/locations/LOCATION/clusters/CLUSTER or file:///PATH",
  },
];

/** What a case has opened, closed after it. */
const scenes: Deno.Listener[] = [];

for (const { name, needsRoot, args, arrange, code, message } of CASES) {
  Deno.test({
    name: `the start fails: ${name}`,
    ignore: needsRoot === true && Deno.uid() !== 0,
    fn: () =>
      withDirectory(async (directory) => {
        await using world = await startWorld();
        const appPort = freePort();
        const environment: Record<string, string> = {
          ...world.environment,
          KRUN_LOG_FORMAT: "text",
          MESH_BASE_DIR: `${directory}/base`,
          PORT_http: String(appPort),
        };
        const scene: Scene = { world, directory, environment, appPort, options: {} };
        await Deno.mkdir(`${directory}/base`);
        try {
          await arrange?.(scene);
          const given = args?.(scene) ?? APP;
          const proxy = given.some((arg) => arg.startsWith("--proxy")) ? [] : ["--proxy=none"];
          const tunnel = given.some((arg) => arg.startsWith("--tunnel")) ? [] : ["--tunnel=none"];
          const end = await runKrun([...proxy, ...tunnel, ...given], { environment, ...scene.options });
          assert.equal(messageOf(end), `krun: cannot ${message(scene)}`, end.stderr);
          assert.equal(end.code, code ?? 1);
          assert.equal(end.stdout, "");
        } finally {
          for (const listener of scenes.splice(0)) listener.close();
        }
      }),
  });
}

Deno.test("a dead cluster is passed over for the next, and the log says so", () =>
  withDirectory(async (directory) => {
    await using world = await startWorld();
    using dead = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    world.gke.state.clusters.push(gkeCluster({
      name: "istio-a",
      location: "us-central1",
      endpoint: `127.0.0.1:${dead.addr.port}`,
      caPem: world.kubernetes.authority.certificatePem,
      projectId: "demo-project",
      fields: { resourceLabels: { mesh_id: "x" } },
    }));
    const environment = {
      ...world.environment,
      KRUN_LOG_FORMAT: "text",
      MESH_BASE_DIR: directory,
      KRUN_CLUSTER_BUDGET_MS: "300",
      PORT_http: String(freePort()),
    };
    const { code, stderr } = await runKrun(["--proxy=none", "--tunnel=none", "sh", "-c", "exit 9"], { environment });
    assert.equal(code, 9, stderr);
    assert.match(
      stderr,
      /! krun\.cluster: GKE cluster istio-a in us-central1 is passed over: no answer within its budget of 300 ms\n/,
    );
  }));
