import { reasonOf } from "../../base/errors.ts";
import { HttpError } from "../../base/http.ts";
import { logger } from "../../base/log.ts";
import {
  annotation,
  apply,
  ConflictError,
  get,
  keyOf,
  type KubeClient,
  type KubeObject,
  label,
  nameOf,
  remove,
  RESOURCES,
} from "../../kube/mod.ts";
import {
  type CloudRunName,
  fullServiceName,
  MANAGED_BY,
  MANAGED_BY_US,
  OWNER_ANNOTATION,
  registrationObjects,
  registrationOf,
  SERVICE_ANNOTATION,
  URL_ANNOTATION,
} from "../../registration/mod.ts";
import type { RouteProblem } from "../status.ts";
import type { KeptServices } from "./cloud_run.ts";
import { warn } from "./events.ts";
import { type Defaults, type Source, type SourceObjects, sourcesOf } from "./sources.ts";

const log = logger("hgate", "register");

/** The cluster as it is now. */
export interface RegistrationState extends SourceObjects {
  /** Objects that this program may have made: of every kind that a registration has. */
  made: readonly KubeObject[];
  gateAddress: string | undefined;
}

export interface AutoRegistrationOptions {
  kube: KubeClient;
  services: KeptServices;
  defaults: Defaults;
  clusterDomain: string;
}

/** Writes the objects of services that ask to be registered, and removes them when nobody asks any more. */
export class AutoRegistration {
  /** Object → what was applied last, and the version it had then: what is still so needs no request. */
  readonly #applied = new Map<string, { text: string; version: string | undefined }>();
  readonly #told = new Map<string, string>();

  constructor(readonly options: AutoRegistrationOptions) {}

  /**
   * Makes it so; only for the leader, and only with sets that were listed whole: what has no source in them is removed.
   * @returns what is wrong, and when to look again at the latest (milliseconds since 1970)
   */
  async reconcile(
    state: RegistrationState,
    signal: AbortSignal,
  ): Promise<{ problems: RouteProblem[]; nextAt: number }> {
    const { sources, owners, problems } = await sourcesOf(state, this.options.defaults);
    const made = new Map(state.made.map((object) => [nameOf(object), object]));
    for (const source of sources) {
      signal.throwIfAborted();
      const problem = await this.#register(source, state.gateAddress, made, signal).catch((error) => {
        signal.throwIfAborted();
        return reasonOf(error);
      });
      if (problem) problems.push({ object: source.owner, problem, source: source.object });
    }
    await this.#removeStale(state.made, owners, signal);
    await this.#tell(problems, signal);
    const nextAt = this.options.services.keepOnly(sources.map(({ wish }) => wish.cloudRun));
    return { problems: problems.map(({ object, problem }) => ({ object, problem })), nextAt };
  }

  /** @returns what is wrong */
  async #register(
    source: Source,
    gateAddress: string | undefined,
    made: ReadonlyMap<string, KubeObject>,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { wish, owner } = source;
    const { cloudRun, command, service } = wish;
    if (!gateAddress && !command?.gateAddress) {
      return "the gate has no internal address yet: Service internal-hgate waits for its load balancer";
    }
    const { last, problem } = await this.options.services.get(cloudRun, signal);
    if (!last) return problem;
    const registration = registrationOf(wish, {
      url: last.urls[0],
      timeoutMs: last.timeoutMs,
      concurrency: last.concurrency,
      appPort: last.appPort,
      gateAddress,
      owner: command ? undefined : owner,
      clusterDomain: this.options.clusterDomain,
    });
    if (!registration) return problem ?? withoutUrl(cloudRun);
    for (const object of registrationObjects(registration)) {
      if (command) await this.#follow(object, source, made, signal);
      else if (service && object.kind === "Service") await this.#apply(withService(object, source), made, signal);
      else await this.#apply(object, made, signal);
    }
    return problem;
  }

  /**
   * Writes an object of a Service that a command registered, as that wrote it. The command, or the one that takes it back, may be at
   * work just now and this replica not have heard of it: what it has changed since is neither set back nor made anew.
   */
  async #follow(
    object: KubeObject,
    { object: seen }: Source,
    made: ReadonlyMap<string, KubeObject>,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, name, resourceVersion, uid } = seen.metadata;
    if (object.kind === "Service") {
      if (annotation(object, URL_ANNOTATION) === annotation(seen, URL_ANNOTATION)) return; // all else is the command's
      const asSeen = { ...(uid ? { uid } : {}), ...(resourceVersion ? { resourceVersion } : {}) };
      const metadata = { ...object.metadata, ...asSeen };
      return await this.#apply({ ...object, metadata }, made, signal);
    }
    if (!this.#isDue(object, made)) return;
    const now = await get(this.options.kube, RESOURCES.Service, namespace, name, signal);
    if (now?.metadata.resourceVersion === resourceVersion) await this.#apply(object, made, signal);
  }

  #isDue(object: KubeObject, made: ReadonlyMap<string, KubeObject>): boolean {
    const last = this.#applied.get(nameOf(object));
    const there = made.get(nameOf(object));
    return !there || last?.text !== JSON.stringify(object) || last.version !== there.metadata.resourceVersion;
  }

  async #apply(object: KubeObject, made: ReadonlyMap<string, KubeObject>, signal: AbortSignal): Promise<void> {
    if (!this.#isDue(object, made)) return;
    const name = nameOf(object);
    const text = JSON.stringify(object);
    const last = this.#applied.get(name);
    const { kube } = this.options;
    try {
      const stored = await apply(kube, object, { signal });
      this.#applied.set(name, { text, version: stored.metadata.resourceVersion });
    } catch (error) {
      // It changed since it was seen: the watch that is to tell of it wakes us again.
      const isStale = error instanceof HttpError && !(error instanceof ConflictError) && error.status === 409;
      if (!isStale) throw error;
      return;
    }
    if (last?.text !== text) log.info(`${name} applied`);
  }

  /** Only what carries both our label and the word whose it is. */
  async #removeStale(made: readonly KubeObject[], owners: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    const { kube } = this.options;
    const letGo = new Set<string>();
    for (const object of made) {
      const owner = annotation(object, OWNER_ANNOTATION);
      if (label(object, MANAGED_BY) !== MANAGED_BY_US || owner === undefined || owners.has(owner)) continue;
      signal.throwIfAborted();
      // The Service first: what is removed is also what reminds of it.
      const [, namespace, name] = /^Service ([^/ ]+)\/([^/ ]+)$/.exec(owner) ?? [];
      if (name && namespace && namespace === object.metadata.namespace && !letGo.has(owner)) {
        await this.#letGo(namespace, name, signal);
      }
      letGo.add(owner);
      this.#applied.delete(nameOf(object));
      if (await remove(kube, object, signal)) log.info(`${nameOf(object)} removed: ${owner} no longer asks for it`);
    }
  }

  /** Takes our annotations and our selector off a person's Service, if it is still there. */
  async #letGo(namespace: string, name: string, signal: AbortSignal): Promise<void> {
    const { kube } = this.options;
    const there = await get(kube, RESOURCES.Service, namespace, name, signal);
    const isOurs = there?.metadata.managedFields?.some(({ manager, operation }) =>
      manager === MANAGED_BY_US && operation === "Apply"
    );
    if (!there || !isOurs) return;
    const { uid } = there.metadata; // not one that was made anew since
    const metadata = { name, namespace, ...(uid ? { uid } : {}) };
    await apply(kube, { apiVersion: "v1", kind: "Service", metadata }, { signal });
    this.#applied.delete(nameOf(there));
  }

  /** Each problem once, for as long as it is the same. */
  async #tell(problems: readonly (RouteProblem & { source: KubeObject })[], signal: AbortSignal): Promise<void> {
    const now = new Set(problems.map(({ object }) => object));
    for (const object of this.#told.keys()) if (!now.has(object)) this.#told.delete(object);
    for (const { object, problem, source } of problems) {
      if (this.#told.get(object) === problem) continue;
      this.#told.set(object, problem);
      log.warn(`${object} is not registered as it asks: ${problem}`);
      await warn(this.options.kube, source, "RegistrationFailed", problem, signal).catch((error) => {
        log.warn(`no event for ${keyOf(source.metadata)}: ${reasonOf(error)}`);
      });
    }
  }
}

/** With what it was registered as, where a person has not said it: the URL alone would look like a person's. */
function withService(object: KubeObject, { wish, object: there }: Source): KubeObject {
  const said = annotation(there, SERVICE_ANNOTATION) ?? fullServiceName(wish.cloudRun);
  const annotations = { ...object.metadata.annotations, [SERVICE_ANNOTATION]: said };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

const withoutUrl = ({ service, region }: CloudRunName) =>
  `Cloud Run has no URL for ${service} in ${region}: its default URL is switched off`;
