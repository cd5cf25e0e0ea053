/** A fault that is planted in the doctor's world and taken back, and the checks that have to name it. */
import { type DoctorWorld, type Loose, NAMESPACE, SERVICE } from "./doctor_world.ts";

type Undo = () => void | Promise<void>;
type Path = readonly (string | number)[];

export interface Fault {
  name: string;
  /** @returns takes it back */
  plant: (world: DoctorWorld) => Undo | Promise<Undo>;
  /** What the doctor is asked otherwise than in the good world. */
  asked?: (world: DoctorWorld) => NonNullable<Parameters<DoctorWorld["examine"]>[0]>;
  /** Checks that neither pass nor are skipped: these and no others. */
  found: Readonly<Record<string, "warn" | "fail">>;
  /** What the first of them saw, and its fix. */
  says?: RegExp;
}

export const SYSTEM = "istio-system";

/** Nothing of the world; it is in what is asked. */
export const nothing: Fault["plant"] = () => () => {};

/** Two things that go wrong together, as the one is by the other. */
export function both(one: Fault["plant"], other: Fault["plant"]): Fault["plant"] {
  return async (world) => {
    const undo = [await one(world), await other(world)];
    return async () => {
      for (const back of undo) await back();
    };
  };
}

/** A field of an object in the cluster; `undefined` takes it away. */
export function field(resource: string, namespace: string | undefined, name: string, path: Path, value: unknown) {
  return (world: DoctorWorld) =>
    world.edit(resource, namespace, name, (object) => {
      set(object, path, value);
      return object;
    });
}

export function gone(resource: string, namespace: string | undefined, name: string) {
  return (world: DoctorWorld) => world.edit(resource, namespace, name, () => {});
}

/** A field of the Cloud Run service. */
export function ofRun(path: Path, value: unknown) {
  return (world: DoctorWorld) => world.editRun((service: Loose) => set(service, path, value));
}

/** A field of an object that the service is registered by. */
export function registered(resource: string, path: Path, value: unknown) {
  return field(resource, NAMESPACE, SERVICE, path, value);
}

/** A key of mesh-env in istio-system. */
export function meshEnv(key: string, value: (world: DoctorWorld) => string | undefined) {
  return (world: DoctorWorld) => field("configmaps", SYSTEM, "mesh-env", ["data", key], value(world))(world);
}

/** A right in the cluster. */
export function denied(subject: string, verb: string, resource: string, namespace?: string): Fault["plant"] {
  return (world) => {
    const { denied } = world.admin.kubernetes.state;
    denied.push({ subject, verb, resource, ...(namespace ? { namespace } : {}) });
    return () => void denied.pop();
  };
}

/** An API of the project. */
export function disabled(api: string): Fault["plant"] {
  return (world) => {
    const { enabled } = world.admin.serviceUsage.state;
    enabled.delete(api);
    return () => void enabled.add(api);
  };
}

function set(object: unknown, path: Path, value: unknown): void {
  let at = object as Record<string | number, unknown>;
  for (const part of path.slice(0, -1)) at = (at[part] ??= {}) as Record<string | number, unknown>;
  if (value === undefined) delete at[path.at(-1)!];
  else at[path.at(-1)!] = value;
}
