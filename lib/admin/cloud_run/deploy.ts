import { UsageError } from "../../base/errors.ts";
import { accountEmail, type RunPlace, type RunResource, type RunServiceStore } from "../../gcp/mod.ts";
import { isLabel } from "../../registration/mod.ts";
import { namespaceOfAccount } from "../../settings/mod.ts";
import type { AdminContext } from "../context.ts";
import { accountIdOf } from "../namespace/settings.ts";
import type { Goal, Plan } from "../step.ts";
import type { Timing } from "../timing.ts";
import { changeDifferences, hasFailed, sameTemplate, type ServiceChange, withAttempt } from "./change.ts";
import { type DeployCommands, deployCommands } from "./deploy_command.ts";
import { deployTemplate, type DeployWish } from "./deploy_template.ts";
import { changes, make, type Patience } from "./goals.ts";
import { storeOf, vpcAccessOf, type VpcSettings } from "./place.ts";
import { revisionReady } from "./ready.ts";
import { trafficOf } from "./traffic.ts";

/** What a person asks `deploy` for; what is left out stays as it is, or is Cloud Run's default. */
export interface DeploySettings extends Omit<DeployWish, "namespace" | "serviceAccount" | "vpcAccess"> {
  name: string;
  namespace?: string | undefined;
  /** @default the one that the service has, or that `setup-namespace` makes for the namespace */
  serviceAccount?: string | undefined;
  vpc: VpcSettings;
}

/** What deploys an image that has krun in it as a service of the mesh, or brings one that is there to that. */
export async function deploy(settings: DeploySettings, context: AdminContext, timing: Timing): Promise<Plan> {
  const store = await storeOf(context, settings.name);
  const before = await store.read(timing.signal);
  const wish = wishOf(settings, store.place, before);
  const patience = { timeoutMs: timing.timeoutMs, pollMs: timing.everyMs };
  const { namespace } = wish;
  const { template = {}, traffic } = before ?? {};
  const isPinned = !trafficOf(traffic).some(({ revision, percent }) => !revision && percent);
  return {
    steps: [deployedAs(store, wish, patience), revisionReady(store, patience)],
    warnings: [
      ...(wish.vpcAccess || template.vpcAccess ? [] : [
        `${store.of} has no way into the VPC, where the gate and the mesh are: --vpc-connector, or --network and --subnet`,
      ]),
      ...(isPinned ? ["requests go to revisions by name: they are not led to the new one"] : []),
    ],
    next: [
      `make it one of the mesh's services: cloud-run-mesh register-service ${settings.name} --namespace ${namespace}`,
    ],
  };
}

/** The same for other tools; nothing is asked or changed. */
export async function deployAsCommands(settings: DeploySettings, context: AdminContext): Promise<DeployCommands> {
  const place = { project: await context.project(), region: await context.region(), service: settings.name };
  return deployCommands(place, wishOf(settings, place, undefined), settings.vpc);
}

function wishOf(settings: DeploySettings, place: RunPlace, before: RunResource | undefined): DeployWish {
  const { vpc, namespace: asked, ...given } = settings;
  const account = given.serviceAccount ?? before?.template?.serviceAccount;
  const namespace = asked ?? namespaceOfAccount(account);
  if (!namespace || !isLabel(namespace)) {
    const got = namespace ? JSON.stringify(namespace) : "neither --namespace nor an account k8s-NAMESPACE@… says it";
    throw new UsageError({ tried: "find the namespace of the mesh", got, fix: "--namespace NAMESPACE" });
  }
  return {
    ...given,
    namespace,
    serviceAccount: account ?? accountEmail(accountIdOf(namespace), place.project),
    vpcAccess: vpcAccessOf(vpc, place),
  };
}

function deployedAs(store: RunServiceStore, wish: DeployWish, patience: Patience): Goal {
  const what = `deploy ${store.of}`;
  const changeOf = (service: RunResource | undefined): ServiceChange | undefined => {
    const template = deployTemplate(service?.template, wish, what);
    const isOpen = wish.isOpen ?? service?.invokerIamDisabled ?? false;
    const isSame = service && sameTemplate(service.template ?? {}, template) &&
      isOpen === (service.invokerIamDisabled ?? false);
    if (isSame && !hasFailed(service)) return undefined;
    return {
      fields: {
        template: service && hasFailed(service) ? withAttempt(template, service) : template,
        ...(isOpen ? { invokerIamDisabled: true } : {}),
      },
      mask: ["template", "invokerIamDisabled"],
    };
  };
  return {
    subject: `${store.of} from ${wish.image}`,
    async plan(signal) {
      const service = await store.read(signal);
      if (service) return await changes(store, service, changeOf, patience, signal);
      const change = changeOf(undefined)!;
      await store.validate(change.fields, "create", signal);
      return {
        action: "create",
        differences: changeDifferences(undefined, change),
        apply: (signal) => make(store, changeOf, change, { ...patience, signal }),
      };
    },
  };
}
