import { Problem } from "../../base/errors.ts";
import { annotation, type KubeObject, label, nameOf } from "../../kube/mod.ts";
import {
  AUDIENCE_ANNOTATION,
  type CloudRunName,
  fullServiceName,
  REGISTERED,
  type ServicePort,
  type Wish,
  wishOf,
} from "../../registration/mod.ts";
import type { Found } from "./desired.ts";
import { registeredFor } from "./registered_for.ts";
import type { RegisterSettings } from "./settings.ts";
import { asOthersSay, type Standing } from "./standing.ts";

export const DEFAULT_PORTS: readonly ServicePort[] = [{ name: "http", port: 8080 }];

/** A registration that leads elsewhere, or there too, is not turned to one region by the way. @returns why it stays as it is */
export function leftAsItIs(standing: Standing, own: readonly KubeObject[], cloudRun: CloudRunName): string | undefined {
  const service = "service" in standing ? standing.service : undefined;
  const registered = registeredFor(service, own);
  const isThisAlone = registered.every((other) => fullServiceName(other) === fullServiceName(cloudRun));
  if (isThisAlone || !service) return undefined;
  const { name, namespace } = service.metadata;
  const regions = registered.map(({ region }) => region);
  const all = [...new Set([...regions, cloudRun.region])].map((region) => `--region ${region}`).join(" ");
  return `${nameOf(service)} is registered for ${regions.join(" and ")}, and stays so; for all of them:\n` +
    `cloud-run-mesh register-service ${name} --namespace ${namespace} ${all}`;
}

/** What annotations by other hands, and by a former run where that counts, say. @throws {Problem} they cannot be read */
export function othersWish(standing: Standing, cloudRun: CloudRunName, { asBefore }: RegisterSettings): Partial<Wish> {
  if (standing.kind === "none") return {};
  const service = asBefore ? standing.service : asOthersSay(standing.service);
  const wish = wishOf(service, cloudRun);
  if (typeof wish !== "string") return { ...wish, audience: annotation(service, AUDIENCE_ANNOTATION) };
  throw new Problem({
    tried: `register by ${nameOf(service)}`,
    got: wish,
    fix: `kubectl -n ${service.metadata.namespace} edit service ${service.metadata.name}`,
  });
}

export function saidOf(settings: RegisterSettings, others: Partial<Wish>): Found["said"] {
  return {
    workload: settings.workload ?? others.workload,
    serviceAccount: settings.serviceAccount ?? others.serviceAccount,
    maxStreams: settings.maxStreams ?? others.maxStreams,
    maxConnectionMs: settings.maxConnectionMs ?? others.maxConnectionMs,
  };
}

/** A person's Service is labelled by us where it is not by him. */
export function serviceOf(service: KubeObject, others: Partial<Wish>): Found["service"] {
  const { name } = service.metadata;
  return { selector: others.service?.selector, isLabelled: (label(service, REGISTERED) ?? name) === name };
}

/** @throws {Problem} a person's Service has others than were asked for */
export function portsOf(settings: RegisterSettings, standing: Standing, others: Partial<Wish>): readonly ServicePort[] {
  const asked = settings.ports;
  if (standing.kind !== "person's") return asked ?? (settings.asBefore ? others.ports : undefined) ?? DEFAULT_PORTS;
  const theirs = others.ports ?? [];
  const textOf = (ports: readonly ServicePort[]) => ports.map(({ name, port }) => `${name}=${port}`).sort().join(" ");
  if (!asked || textOf(asked) === textOf(theirs)) return theirs;
  throw new Problem({
    tried: `register by ${nameOf(standing.service)} with the ports ${textOf(asked)}`,
    got: `it is a person's, and has ${textOf(theirs)}`,
    fix: "leave --port out, change the Service, or register under another name",
  });
}
