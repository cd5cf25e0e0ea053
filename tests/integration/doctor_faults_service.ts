/** Faults of the Cloud Run service and of its registration. */
import { googleErrorBody } from "../emulators/google_api.ts";
import { type Fault, field, gone, ofRun, registered } from "./doctor_fault.ts";
import { NAMESPACE, SERVICE, SERVICE_NAME } from "./doctor_world.ts";

export const SERVICE_FAULTS: readonly Fault[] = [
  {
    name: "no Cloud Run service",
    plant(world) {
      const { services } = world.admin.cloudRun.state;
      const [service] = services.splice(0, 1);
      return () => void services.unshift(service!);
    },
    found: { "service.exists": "fail" },
  },
  {
    name: "Cloud Run's API is off, and nobody may ask which are",
    plant: ({ admin: { serviceUsage, cloudRun } }) => {
      serviceUsage.deniedPermissions.add("serviceusage.services.get");
      const message = "Cloud Run Admin API has not been used in project 1 before or it is disabled.";
      cloudRun.faults.add({ match: /./, status: 403, body: googleErrorBody(403, message) });
      return () => {
        serviceUsage.deniedPermissions.clear();
        cloudRun.faults.clear();
      };
    },
    found: { "service.exists": "fail" },
    says: /gcloud services enable run\.googleapis\.com/,
  },
  {
    name: "a revision that failed",
    plant: ofRun(["terminalCondition"], { type: "Ready", state: "CONDITION_FAILED", message: "Image not found." }),
    found: { "service.ready": "fail" },
    says: /Image not found/,
  },
  {
    name: "HTTP/1.1",
    plant: ofRun(["template", "containers", 0, "ports", 0, "name"], "http1"),
    found: { "service.http2": "fail" },
    says: /--use-http2/,
  },
  {
    name: "the app's port",
    plant: ofRun(["template", "containers", 0, "ports", 0, "containerPort"], 8_080),
    found: { "service.port": "fail" },
    says: /--port 15009/,
  },
  {
    name: "the first generation",
    plant: ofRun(["template", "executionEnvironment"], "EXECUTION_ENVIRONMENT_GEN1"),
    found: { "service.generation": "warn" },
    says: /--execution-environment gen2/,
  },
  {
    name: "no VPC egress",
    plant: ofRun(["template", "vpcAccess"], undefined),
    found: { "service.egress": "fail" },
    says: /--network NETWORK/,
  },
  {
    name: "internal ingress",
    plant: ofRun(["ingress"], "INGRESS_TRAFFIC_INTERNAL_ONLY"),
    found: { "service.ingress": "warn" },
  },
  { name: "no ingress", plant: ofRun(["ingress"], "INGRESS_TRAFFIC_NONE"), found: { "service.ingress": "fail" } },
  {
    name: "the service runs as another account",
    plant: ofRun(["template", "serviceAccount"], "other@demo-project.iam.gserviceaccount.com"), // which has no right to tokens
    found: { "namespace.binding": "fail" },
    says: /the service runs as other@/,
  },
  {
    name: "the gate may not call it",
    plant(world) {
      const policy = world.admin.cloudRun.policies.of(SERVICE_NAME);
      const { bindings } = policy;
      policy.bindings = [];
      return () => void (policy.bindings = bindings);
    },
    found: { "service.invoker": "fail" },
    says: /add-iam-policy-binding web .*--role roles\/run\.invoker --member serviceAccount:hgate@/,
  },
  {
    name: "not registered",
    plant: gone("services", NAMESPACE, SERVICE),
    found: { "registration.service": "fail" },
    says: /register-service web --namespace shop/,
  },
  {
    name: "an old URL",
    plant: registered("services", ["metadata", "annotations", "cloud-run-mesh/url"], "https://web-old-uc.a.run.app"),
    found: { "registration.url": "fail" },
    says: /web-old-uc/,
  },
  {
    name: "an endpoint elsewhere",
    plant: field("workloadentries", NAMESPACE, `${SERVICE}-sni`, ["spec", "address"], "10.9.9.9"),
    found: { "registration.entry": "fail" },
    says: /10\.9\.9\.9/,
  },
  {
    name: "an endpoint with another port",
    plant: field("workloadentries", NAMESPACE, `${SERVICE}-sni`, ["spec", "ports", "http"], 8_080),
    found: { "registration.entry": "fail" },
    says: /not to 15442/,
  },
  {
    name: "no endpoint",
    plant: gone("workloadentries", NAMESPACE, `${SERVICE}-sni`),
    found: { "registration.entry": "fail" },
  },
  {
    name: "callers without mTLS",
    plant: registered("destinationrules", ["spec", "trafficPolicy", "tls", "mode"], "DISABLE"),
    found: { "registration.destination-rule": "fail" },
  },
  {
    name: "plain text is taken",
    plant: registered("peerauthentications", ["spec", "portLevelMtls", "15003", "mode"], "PERMISSIVE"),
    found: { "registration.peer-authentication": "fail" },
  },
  {
    name: "no inbound port",
    plant: registered("sidecars", ["spec", "ingress"], []),
    found: { "registration.sidecar": "fail" },
  },
  {
    name: "an inbound port for everybody",
    plant: registered("sidecars", ["spec", "ingress", 0, "bind"], "0.0.0.0"),
    found: { "registration.sidecar": "fail" },
  },
  {
    name: "a shorter request timeout",
    plant: ofRun(["template", "timeout"], "60s"),
    found: { "registration.timeout": "fail" },
    says: /240 s of 60 s/,
  },
  {
    name: "no limit of connections",
    plant: registered("destinationrules", ["spec", "trafficPolicy", "connectionPool", "tcp"], undefined),
    found: { "registration.timeout": "warn" },
  },
  {
    name: "a smaller concurrency",
    plant: ofRun(["template", "maxInstanceRequestConcurrency"], 10),
    found: { "registration.streams": "warn" },
    says: /80, an instance takes 10/,
  },
  {
    name: "the gate does not know it",
    plant(world) {
      world.gateReport.unseen.add(`${NAMESPACE}/${SERVICE}`);
      return () => world.gateReport.unseen.clear();
    },
    found: { "registration.route": "fail" },
    says: /no route to shop\/web/,
  },
  {
    name: "the gate does not take it",
    plant(world) {
      world.gateReport.problems.push({
        object: `Service ${NAMESPACE}/${SERVICE}`,
        problem: "its URL is no front end's",
      });
      return () => void world.gateReport.problems.pop();
    },
    found: { "registration.route": "fail" },
    says: /its URL is no front end's/,
  },
];
