import { Problem } from "../../base/errors.ts";
import { annotation, keysOfOthers, type KubeObject, label, nameOf } from "../../kube/mod.ts";
import { OWNER_ANNOTATION, PART_OF } from "../../registration/mod.ts";
import { isOurs } from "../kube_goals.ts";

/** Whose the Service of a name is. */
export type Standing =
  | { kind: "none" }
  | { kind: "ours"; service: KubeObject }
  /** Only our annotations and, where it has none, our selector are written to it. */
  | { kind: "person's"; service: KubeObject };

/**
 * Whose it is, for a command that registers under its name.
 * @throws {Problem} the gate keeps it for somebody who asked for that, or it is a region of another registration
 */
export function standingOf(service: KubeObject | undefined): Standing {
  if (!service) return { kind: "none" };
  if (!isOurs(service)) return { kind: "person's", service };
  const tried = `register by ${nameOf(service)}`;
  const owner = annotation(service, OWNER_ANNOTATION);
  if (owner) throw new Problem({ tried, got: `the gate registers it for ${owner}`, fix: releaseFix(owner) });
  const whole = label(service, PART_OF);
  if (whole) {
    throw new Problem({ tried, got: `it is one region of ${whole}`, fix: `register ${whole}, or take another name` });
  }
  return { kind: "ours", service };
}

/** How a person makes the gate let go of what it registered by itself. @param owner `Service prod/web`, `ConfigMap prod/x KEY` */
export function releaseFix(owner: string): string {
  const [, kind, namespace, name, key] = /^(\S+) ([^/\s]+)\/(\S+)(?: (\S+))?$/.exec(owner) ?? [];
  if (kind === "Service") return `kubectl -n ${namespace} label service ${name} mesh-cloudrun-`;
  return `take ${key ?? "its entry"} out of it: kubectl -n ${namespace} edit configmap ${name}`;
}

/** The Service as others wrote it: without the annotations that are ours alone. */
export function asOthersSay(service: KubeObject): KubeObject {
  const theirs = keysOfOthers(service, ["metadata", "annotations"]);
  const annotations = Object.fromEntries(
    Object.entries(service.metadata.annotations ?? {}).filter(([key]) => theirs.has(key)),
  );
  return { ...service, metadata: { ...service.metadata, annotations } };
}
