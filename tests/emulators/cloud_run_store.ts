/** Services and revisions of the emulated Cloud Run Admin API, and how the one brings about the other. */
import { bare, isSame, replace, withoutDefaults } from "./cloud_run_compare.ts";
import { withDefaults } from "./cloud_run_defaults.ts";
import type { Instances } from "./cloud_run_instances.ts";
import { Operation, type RunError, type RunOutcome } from "./cloud_run_operations.ts";
import {
  BY_REVISION,
  FAILED,
  lastOf,
  LATEST,
  RECONCILING,
  type RunCondition,
  type RunRevisionResource,
  type RunServiceResource,
  type RunTrafficResource,
  SUCCEEDED,
} from "./cloud_run_types.ts";

export interface RunStoreState {
  services: RunServiceResource[];
  revisions: RunRevisionResource[];
  projectNumber: string;
  /** How often an operation, or its service, has to be looked at until it is done. */
  pollsUntilDone: number;
  /** The URL that a new service gets. @default the legacy form */
  uriOf: (service: string, region: string) => string;
  /** Why a revision does not get ready: Cloud Run's words behind `Revision 'x' is not ready and cannot serve traffic.` */
  fails: (revision: RunRevisionResource) => string | undefined;
}

export class RunStore {
  readonly operations = new Map<string, Operation>();
  #etags = 0;

  constructor(readonly state: RunStoreState, readonly instances: Instances) {}

  /** Also one that a test has put there: it gets what every service has. */
  find(name: string): RunServiceResource | undefined {
    const service = this.state.services.find((candidate) => candidate.name === name);
    if (service) this.#settle(service);
    return service;
  }

  /** @param collection `projects/P/locations/R/services` */
  listed(collection: string): RunServiceResource[] {
    const found = this.state.services.filter(({ name }) => name.startsWith(`${collection}/`));
    for (const service of found) this.#settle(service);
    return found;
  }

  revisionsOf(service: string): RunRevisionResource[] {
    return this.state.revisions.filter((revision) => revision.service === service);
  }

  /** Somebody looks at a service: what is on its way goes on. */
  look(name: string): void {
    for (const operation of this.operations.values()) if (operation.of === name) operation.look();
  }

  /** The service as `fields` make it, not stored; `mask` names what is replaced, without it all that can be written. */
  merged(
    service: RunServiceResource | undefined,
    name: string,
    fields: RunServiceResource,
    mask: readonly string[],
  ): RunServiceResource {
    const merged: RunServiceResource = structuredClone(service ?? { name });
    for (const path of mask) replace(merged, fields, path.split("."));
    if (merged.template && mask.some((path) => path.split(".")[0] === "template")) {
      merged.template = withDefaults(merged.template, this.state.projectNumber);
    }
    if (!merged.traffic?.length) merged.traffic = [{ type: LATEST, percent: 100 }];
    return withoutDefaults(merged) as RunServiceResource;
  }

  /** A revision of this name that is another than the template wants. */
  taken(service: RunServiceResource): string | undefined {
    const wanted = service.template?.revision;
    const known = this.state.revisions.find(({ name }) => name === `${service.name}/revisions/${wanted}`);
    return known && !isSame(bare(known), bare(service.template!)) ? wanted : undefined;
  }

  /** Stores it and begins to bring it about. */
  write(merged: RunServiceResource, user: string): Operation {
    const { services, pollsUntilDone } = this.state;
    const at = services.findIndex(({ name }) => name === merged.name);
    const now = new Date().toISOString();
    const { name } = merged;
    const [, project = "", , region = "", , short = ""] = name.split("/");
    const uri = this.state.uriOf(short, region);
    const service: RunServiceResource = {
      uid: crypto.randomUUID(),
      createTime: now,
      creator: user,
      ingress: "INGRESS_TRAFFIC_ALL",
      launchStage: "GA",
      uri,
      urls: [`https://${short}-${this.state.projectNumber}.${region}.run.app`, uri],
      ...merged,
      generation: String(Number(merged.generation ?? 0) + 1),
      updateTime: now,
      lastModifier: user,
      reconciling: true,
      terminalCondition: { type: "Ready", state: RECONCILING, lastTransitionTime: now },
    };
    this.#stamp(service);
    if (at < 0) services.push(service);
    else services[at] = service;
    const revision = this.#revise(service);
    const work = revision ? this.#start(revision, service) : Promise.resolve();
    return this.#begin(
      new Operation(`projects/${project}/locations/${region}`, name, pollsUntilDone, work, () => {
        // A later write may have replaced it.
        const current = services.find((candidate) => candidate.name === name) ?? service;
        return this.#finish(current);
      }),
    );
  }

  touch(name: string, change: (service: RunServiceResource) => void): void {
    const service = this.find(name);
    if (!service) return;
    change(service);
    this.#stamp(service);
  }

  remove(service: RunServiceResource): Operation {
    const { name } = service;
    const [, project, , region] = name.split("/");
    const { services } = this.state;
    const at = services.findIndex((candidate) => candidate.name === name);
    if (at >= 0) services.splice(at, 1);
    this.state.revisions = this.state.revisions.filter((revision) => revision.service !== name);
    const deleted = { ...service, deleteTime: new Date().toISOString() };
    const parent = `projects/${project}/locations/${region}`;
    return this.#begin(
      new Operation(
        parent,
        name,
        this.state.pollsUntilDone,
        this.instances.end(service),
        () => ({ response: deleted }),
      ),
    );
  }

  #begin(operation: Operation): Operation {
    this.operations.set(operation.name, operation);
    return operation;
  }

  #stamp(service: RunServiceResource): void {
    service.etag = `"${btoa(`${lastOf(service.name)}-${++this.#etags}`)}"`;
  }

  /** A new revision where the template is another than that of the last. */
  #revise(service: RunServiceResource): RunRevisionResource | undefined {
    const { name, template = {}, latestCreatedRevision } = service;
    const last = this.state.revisions.find((revision) => revision.name === latestCreatedRevision);
    const isNamed = template.revision !== undefined && lastOf(last?.name ?? "") !== template.revision;
    if (last && !isNamed && isSame(bare(last), bare(template))) return undefined;
    const short = template.revision ??
      `${lastOf(name)}-${service.generation!.padStart(5, "0")}-${this.#etags.toString(36).padStart(3, "a")}`;
    const { revision: _, ...fields } = template;
    const revision: RunRevisionResource = {
      ...structuredClone(fields),
      name: `${name}/revisions/${short}`,
      uid: crypto.randomUUID(),
      generation: "1",
      createTime: new Date().toISOString(),
      service: name,
      conditions: [{ type: "Ready", state: RECONCILING }],
    };
    const known = this.state.revisions.findIndex((other) => other.name === revision.name);
    if (known >= 0) this.state.revisions.splice(known, 1);
    this.state.revisions.push(revision);
    service.latestCreatedRevision = revision.name;
    return revision;
  }

  async #start(revision: RunRevisionResource, service: RunServiceResource): Promise<void> {
    let reason = this.state.fails(revision);
    if (reason === undefined) {
      await this.instances.start(revision, service).catch((error: Error) => reason = error.message);
    }
    const message = `Revision '${lastOf(revision.name)}' is not ready and cannot serve traffic. ${reason}`;
    revision.conditions = [
      reason === undefined ? { type: "Ready", state: SUCCEEDED } : {
        type: "Ready",
        state: FAILED,
        revisionReason: "HEALTH_CHECK_CONTAINER_ERROR",
        message,
      },
    ];
  }

  /** What the service has come to. */
  #finish(service: RunServiceResource): RunOutcome {
    const created = this.state.revisions.find(({ name }) => name === service.latestCreatedRevision);
    const [condition] = created?.conditions ?? [];
    let error: RunError | undefined;
    if (condition?.state === SUCCEEDED) service.latestReadyRevision = created!.name;
    else error = { code: 9, message: condition?.message ?? "The service has no revision." };
    const missing = service.traffic!.find(({ type, revision }) =>
      type === BY_REVISION && !this.state.revisions.some(({ name }) => name === `${service.name}/revisions/${revision}`)
    );
    if (missing) {
      error ??= {
        code: 13,
        message: `Revision '${missing.revision}' does not exist or is deleted. Update all traffic to route to ` +
          "currently available revisions.",
      };
    } else service.trafficStatuses = statusesOf(service);
    this.#conclude(service, error);
    void this.instances.follow(service);
    return error ? { error } : { response: structuredClone(service) };
  }

  #conclude(service: RunServiceResource, error: RunError | undefined): void {
    const condition: RunCondition = error
      ? { type: "Ready", state: FAILED, reason: "REVISION_FAILED", message: error.message }
      : { type: "Ready", state: SUCCEEDED };
    delete service.reconciling; // as everything that is false
    service["observedGeneration"] = service.generation;
    service.terminalCondition = { ...condition, lastTransitionTime: new Date().toISOString() };
    service["conditions"] = ["RoutesReady", "ConfigurationsReady"].map((type) => ({ ...condition, type }));
  }

  #settle(service: RunServiceResource): void {
    if (service.etag !== undefined) return;
    this.#stamp(service);
    service.generation ??= "1";
    service.traffic ??= [{ type: LATEST, percent: 100 }];
    if (!service.template?.containers) return;
    const revision = this.#revise(service);
    if (revision) revision.conditions = [{ type: "Ready", state: SUCCEEDED }];
    service.latestReadyRevision ??= service.latestCreatedRevision!;
    service.trafficStatuses ??= statusesOf(service);
  }
}

/** Where requests go, with the URLs of tags. */
function statusesOf(service: RunServiceResource): (RunTrafficResource & { uri?: string })[] {
  return (service.traffic ?? []).flatMap((target) => {
    const revision = target.type === BY_REVISION ? target.revision : lastOf(service.latestReadyRevision ?? "");
    if (!revision) return [];
    const uri = target.tag ? { uri: service.uri?.replace("https://", `https://${target.tag}---`) ?? "" } : {};
    return [{ ...target, revision, ...uri }];
  });
}

/** With a code of the region, as `uc` of `us-central1`. */
export function legacyUri(service: string, region: string): string {
  const [where = "", place = ""] = region.split("-");
  return `https://${service}-abcdefghij-${where[0] ?? ""}${place[0] ?? ""}.a.run.app`;
}
