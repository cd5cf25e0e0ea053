import { Problem } from "../../base/errors.ts";
import { get, type KubeClient, RESOURCES } from "../../kube/mod.ts";
import { bound } from "../iam_binding.ts";
import { kubeObject } from "../kube_goals.ts";
import type { Plan } from "../step.ts";
import { accountMade, type GoogleApis, memberOf, VIEWER } from "./google_goals.ts";
import { namespaceObject } from "./labels.ts";
import { isGoing, serviceAccountMade } from "./namespace_goals.ts";
import { namespaceObjects, ROOT_NAMESPACE, serviceAccountObject } from "./objects.ts";
import { otherSetUp } from "./record.ts";
import { recordKept, storedRecord } from "./record_goal.ts";
import { type GoogleSide, type NamespaceSettings, variablesOf } from "./settings.ts";

/** Where a namespace is set up. */
export interface NamespacePlace {
  kube: KubeClient;
  /** Needed where the settings have a Google side. */
  google: GoogleApis | undefined;
  /** Of those named, the Google APIs that are switched on; `undefined` where it may not be known. */
  enabledApis(apis: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string> | undefined>;
}

const APIS = ["container.googleapis.com", "run.googleapis.com", "iam.googleapis.com"];

/**
 * Everything that a workload outside of the cluster needs to join the mesh as one of the namespace's service accounts.
 * @throws {Problem} a named account that is not there; a namespace that is going, or set up for somebody else
 */
export async function setUpNamespace(
  settings: NamespaceSettings,
  { kube, google: apis, enabledApis }: NamespacePlace,
  signal: AbortSignal,
): Promise<Plan> {
  const { namespace, google } = settings;
  const [seen, root, record, enabled] = await Promise.all([
    get(kube, RESOURCES.Namespace, undefined, namespace, signal),
    get(kube, RESOURCES.Namespace, undefined, ROOT_NAMESPACE, signal),
    storedRecord(kube, namespace, signal),
    google ? enabledApis(APIS, signal) : undefined,
    google && apis && google.accountId === undefined ? mustBeThere(apis, google, signal) : undefined,
  ]);
  const tried = `set up namespace ${namespace}`;
  if (seen && isGoing(seen)) {
    throw new Problem({ tried, got: "it is being deleted", fix: `kubectl wait --for=delete namespace/${namespace}` });
  }
  const other = record && otherSetUp(record, settings);
  if (other) {
    throw new Problem({
      tried,
      got: `it is set up for another ${other}`,
      fix: `cloud-run-mesh teardown-namespace ${namespace}`,
    });
  }
  const hasRootNamespace = root !== undefined;
  const { object, warnings } = namespaceObject(namespace, settings.revision, seen);
  const needsAccountObject = settings.serviceAccount !== "default"; // that one Kubernetes makes in every namespace
  return {
    steps: [
      kubeObject(kube, object),
      recordKept(kube, settings, apis),
      ...(google && apis ? [accountMade(apis, google, namespace)] : []),
      ...(needsAccountObject ? [serviceAccountMade(kube, serviceAccountObject(settings))] : []),
      ...namespaceObjects(settings, { hasRootNamespace }).map((object) => kubeObject(kube, object)),
      ...(google?.grants && apis ? [bound(apis.policy, VIEWER, memberOf(google.email))] : []),
    ],
    warnings: [
      ...warnings,
      ...(hasRootNamespace
        ? []
        : [`no namespace ${ROOT_NAMESPACE}: krun reads the config map mesh-env of ${namespace} alone`]),
      ...(google && enabled ? switchedOff(google, enabled) : []),
    ],
    next: nextSteps(settings),
  };
}

async function mustBeThere(
  { accounts }: GoogleApis,
  { email, project }: GoogleSide,
  signal: AbortSignal,
): Promise<void> {
  if (await accounts.get(email, signal)) return;
  const [id] = email.split("@");
  throw new Problem({
    tried: `find service account ${email}`,
    got: `there is none in project ${project}`,
    fix: `gcloud iam service-accounts create ${id} --project ${project}`,
  });
}

function switchedOff({ project }: GoogleSide, enabled: ReadonlySet<string>): string[] {
  return APIS.filter((api) => !enabled.has(api))
    .map((api) => `${api} is not switched on: gcloud services enable ${api} --project ${project}`);
}

function nextSteps(settings: NamespaceSettings): string[] {
  const { namespace, google, user } = settings;
  const variables = Object.entries(variablesOf(settings)).map(([name, value]) => `${name}=${value}`).join(",");
  if (!google) return [`run krun as ${user}${variables ? `, with ${variables.replaceAll(",", " ")}` : ""}`];
  const account = google.accountId === undefined ? ` --service-account ${google.email}` : "";
  const ksa = settings.serviceAccount === "default" ? "" : ` --ksa ${settings.serviceAccount}`;
  const flags = `--service-account ${google.email}${variables ? ` --set-env-vars ${variables}` : ""}`;
  return [
    ...(google.grants ? [] : [
      "for the project's administrator: " +
      `gcloud projects add-iam-policy-binding ${google.project} --member ${memberOf(google.email)} --role ${VIEWER}`,
    ]),
    `deploy into it: cloud-run-mesh deploy NAME --image IMAGE --namespace ${namespace}${account}${ksa}`,
    `or gcloud run deploy NAME --use-http2 --port 15009 ${flags}`,
    `and then: cloud-run-mesh register-service NAME --namespace ${namespace}${ksa}`,
    `or put a service that is there into it: cloud-run-mesh add-service NAME --namespace ${namespace} ` +
    `--service-account ${google.email}${ksa}`,
  ];
}
