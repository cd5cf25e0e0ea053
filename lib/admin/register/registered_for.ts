import { annotation, type KubeObject, label } from "../../kube/mod.ts";
import { type CloudRunName, parseServiceName, PART_OF, SERVICE_ANNOTATION } from "../../registration/mod.ts";

/**
 * The Cloud Run services that a registration leads to: one of each region.
 * @param service of the registration's name, a person's or ours
 * @param own objects that are part of it
 */
export function registeredFor(service: KubeObject | undefined, own: readonly KubeObject[]): CloudRunName[] {
  const regional = own.filter((object) => object.kind === "Service" && label(object, PART_OF) !== undefined);
  const saying = regional.length > 0 ? regional : service ? [service] : [];
  return saying.flatMap((object) => parseServiceName(annotation(object, SERVICE_ANNOTATION) ?? "") ?? []);
}
