/** Server-side apply on the emulated API server, https://kubernetes.io/docs/reference/using-api/server-side-apply/. */
import { withDefaults } from "./kubernetes_namespaces.ts";
import { leaves, type ObjectStore, type Owner, type StoredObject, valueAt } from "./kubernetes_store.ts";

export interface ApplyRequest {
  manager: string;
  force: boolean;
  dryRun: boolean;
}

export interface Conflict {
  manager: string;
  /** `.data.KEY` */
  field: string;
}

/** Merges `given` into what is stored; without `force` another manager's value wins, and is told. */
export function applyObject(
  store: ObjectStore,
  resource: string,
  given: StoredObject,
  { manager, force, dryRun }: ApplyRequest,
): { object: StoredObject; made: boolean } | { conflicts: Conflict[] } {
  const { namespace, name } = given.metadata;
  const row = store.row(resource, namespace, name);
  const wanted = new Map(leaves(given));
  const others = (row?.owners ?? []).filter((owner) => !(owner.manager === manager && owner.operation === "Apply"));
  const conflicts: Conflict[] = [];
  for (const owner of others) {
    for (const [field, value] of wanted) {
      const differs = JSON.stringify(valueAt(row!.object, field)) !== JSON.stringify(value);
      if (owner.fields.has(field) && differs) conflicts.push({ manager: owner.manager, field: shown(field) });
    }
  }
  if (conflicts.length && !force) return { conflicts };

  const object = structuredClone(
    row?.object ??
      { apiVersion: given.apiVersion, kind: given.kind, metadata: { name, ...(namespace ? { namespace } : {}) } },
  ) as StoredObject;
  const mine = row?.owners.find((owner) => owner.manager === manager && owner.operation === "Apply");
  for (const field of mine?.fields ?? []) {
    if (!wanted.has(field) && !others.some((owner) => owner.fields.has(field))) set(object, field, undefined);
  }
  for (const [field, value] of wanted) set(object, field, value);
  const owners: Owner[] = others.map((owner) => ({
    ...owner,
    fields: new Set(
      [...owner.fields].filter((field) =>
        JSON.stringify(valueAt(row!.object, field)) === JSON.stringify(valueAt(object, field))
      ),
    ),
  }));
  owners.push({ manager, operation: "Apply", fields: new Set(wanted.keys()) });
  const whole = withDefaults(resource, object);
  if (dryRun) return { object: whole, made: !row };
  return { object: store.write(resource, whole, owners), made: !row };
}

/** The path as a Status has it, e.g. `.data.KEY`, `.metadata.labels.app`. */
function shown(field: string): string {
  return (JSON.parse(field) as string[]).map((part) => `.${part}`).join("");
}

function set(object: Record<string, unknown>, field: string, value: unknown): void {
  const path = JSON.parse(field) as string[];
  const last = path.pop()!;
  let at = object;
  for (const part of path) at = (at[part] ??= {}) as Record<string, unknown>;
  if (value === undefined) delete at[last];
  else at[last] = value;
}
