/** Faults of the account, the project, the cluster and the namespace. */
import { ADMIN } from "./admin_world.ts";
import { both, denied, disabled, type Fault, field, gone, nothing } from "./doctor_fault.ts";
import { ACCOUNT, NAMESPACE } from "./doctor_world.ts";

/** This machine's clock goes wrong by as much. */
const clock = (byMs: number): Pick<Fault, "plant" | "asked"> => ({
  plant: nothing,
  asked: () => ({ now: () => Date.now() + byMs }),
});

/** As a Role or binding that is not there would have it. */
const noToken = denied(ACCOUNT, "create", "serviceaccounts/token");

export const CLUSTER_FAULTS: readonly Fault[] = [
  {
    name: "no credentials file",
    plant: nothing,
    asked: ({ admin }) => ({ environment: { ...admin.environment, GOOGLE_APPLICATION_CREDENTIALS: "/none.json" } }),
    found: { "account.credentials": "fail" },
    says: /none\.json.*gcloud auth application-default login/,
  },
  {
    name: "credentials that are refused",
    plant(world) {
      const { faults } = world.admin.tokenEndpoint;
      faults.add({ match: /token/, status: 400, body: '{"error": "invalid_grant"}' });
      return () => faults.clear();
    },
    found: { "account.token": "fail" },
    says: /invalid_grant.*gcloud auth application-default login/,
  },
  {
    name: "no project",
    plant: (world) => {
      const path = `${world.admin.environment["CLOUDSDK_CONFIG"]}/configurations/config_default`;
      const before = Deno.readTextFileSync(path);
      Deno.writeTextFileSync(path, before.replace(/project.*/, ""));
      return () => Deno.writeTextFileSync(path, before);
    },
    asked: ({ admin }) => ({ environment: { ...admin.environment, GCE_METADATA_HOST: "127.0.0.1:9" } }),
    found: { "project.known": "fail" },
    says: /gcloud config set project/,
  },
  {
    name: "Cloud Run's API is off",
    plant: disabled("run.googleapis.com"),
    found: { "project.api-run": "fail" },
    says: /gcloud services enable run\.googleapis\.com --project demo-project/,
  },
  { name: "IAM's API is off", plant: disabled("iam.googleapis.com"), found: { "project.api-iam": "fail" } },
  {
    name: "a label that nobody reads",
    plant(world) {
      const [project] = world.admin.resourceManager.state.projects;
      project!.labels = { "mesh-namesapce": "shop" };
      return () => void (project!.labels = {});
    },
    found: { "project.labels": "warn" },
    says: /mesh-namesapce.*--remove-labels mesh-namesapce/,
  },
  {
    name: "a clock that is a minute slow",
    ...clock(-60_000),
    found: { "clock.skew": "warn" },
    says: /60 s ahead.*timedatectl/,
  },
  {
    name: "a clock that is ten minutes fast",
    ...clock(600_000),
    found: { "clock.skew": "fail" },
    says: /behind/,
  },
  {
    name: "no cluster",
    plant: nothing,
    asked: ({ admin }) => ({ environment: { ...admin.environment, KUBECONFIG: "/none" } }),
    found: { "cluster.reachable": "fail" },
    says: /kubeconfig \/none.*check KUBECONFIG/,
  },
  {
    name: "a cluster that answers with errors",
    plant(world) {
      const { faults } = world.admin.kubernetes;
      faults.add({ match: /version/, status: 503 });
      return () => faults.clear();
    },
    found: { "cluster.reachable": "fail" },
  },
  {
    name: "an old Kubernetes",
    plant(world) {
      const { state } = world.admin.kubernetes;
      const { gitVersion } = state;
      state.gitVersion = "v1.21.14";
      return () => void (state.gitVersion = gitVersion);
    },
    found: { "cluster.version": "fail" },
  },
  {
    name: "no right to bind roles",
    plant: denied(ADMIN, "create", "rolebindings", NAMESPACE),
    found: { "rights.setup": "warn" },
    says: /may not create rolebindings in shop.*kubectl create clusterrole/,
  },
  {
    name: "no right to register",
    plant: denied(ADMIN, "patch", "workloadentries"),
    found: { "rights.register": "warn" },
    says: /--resource=workloadentries\.networking\.istio\.io.*--user=admin@example\.com/,
  },
  {
    name: "a workload without its token",
    plant: denied(ACCOUNT, "create", "serviceaccounts/token"),
    found: { "rights.workload": "fail" },
    says: /may not create serviceaccounts\/token default in shop.*setup-namespace shop/,
  },
  {
    name: "no namespace",
    plant: gone("namespaces", undefined, NAMESPACE),
    found: { "namespace.exists": "fail" },
    says: /setup-namespace shop/,
  },
  {
    name: "pods without a sidecar",
    plant: field("namespaces", undefined, NAMESPACE, ["metadata", "labels"], {}),
    found: { "namespace.injection": "warn" },
    says: /istio-injection=enabled/,
  },
  {
    name: "auto-registration misspelt",
    plant: field(
      "namespaces",
      undefined,
      NAMESPACE,
      ["metadata", "labels", "cloud-run-mesh/auto-registration"],
      "true",
    ),
    found: { "namespace.auto-registration": "warn" },
    says: /"true".*cloud-run-mesh\/auto-registration=enabled/,
  },
  {
    name: "no service account",
    plant: gone("serviceaccounts", NAMESPACE, "default"),
    found: { "namespace.account": "fail" },
  },
  {
    name: "a Role without tokens",
    plant: both(field("roles", NAMESPACE, "krun", ["rules", 0, "verbs"], ["get"]), noToken),
    found: { "namespace.role": "fail" },
  },
  {
    name: "bound to another account",
    plant: both(field("rolebindings", NAMESPACE, "krun", ["subjects", 0, "name"], "other@example.com"), noToken),
    found: { "namespace.binding": "fail" },
    says: /bound to other@example\.com.*--service-account k8s-shop@/,
  },
  {
    name: "no binding",
    plant: both(gone("rolebindings", NAMESPACE, "krun"), noToken),
    found: { "namespace.binding": "fail" },
  },
];
