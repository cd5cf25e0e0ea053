/**
 * Who may do what on an emulated API server.
 *
 * Wire facts: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
 */
import type { EmulatedAnswer } from "./http_server.ts";
import * as errors from "./kubernetes_status.ts";
import type { StoredObject } from "./kubernetes_store.ts";

/** One thing one user or group may do. A member left out allows all. */
export interface Permission {
  /** A user, or `group:NAME`. */
  subject: string;
  /** `get`, `create` */
  verb?: string;
  /** With the subresource as RBAC writes it: `configmaps`, `serviceaccounts/token`. */
  resource?: string;
  namespace?: string;
  name?: string;
}

export interface User {
  name: string;
  groups: string[];
}

/** @param denied taken from what is allowed */
export function isAllowed(
  { permissions, denied }: { permissions: readonly Permission[]; denied: readonly Permission[] },
  user: User,
  what: errors.ResourceAttributes,
): boolean {
  return permissions.some((permission) => covers(permission, user, what)) &&
    !denied.some((permission) => covers(permission, user, what));
}

function covers(permission: Permission, user: User, what: errors.ResourceAttributes): boolean {
  const resource = what.subresource ? `${what.resource}/${what.subresource}` : what.resource;
  const subjects = [user.name, ...user.groups.map((group) => `group:${group}`)];
  return subjects.includes(permission.subject) &&
    (permission.verb ?? what.verb) === what.verb &&
    (permission.resource ?? resource) === resource &&
    (permission.namespace ?? what.namespace) === what.namespace &&
    (permission.name ?? what.name) === what.name;
}

interface PolicyRule {
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  verbs?: string[];
}

/** Who may not bind a Role has to hold what is in it, and it has to be there. @returns the refusal */
export function bindingEscalation(
  binding: StoredObject,
  user: User,
  may: (what: errors.ResourceAttributes) => boolean,
  roleOf: (namespace: string, name: string) => StoredObject | undefined,
): EmulatedAnswer | undefined {
  const { name = "" } = (binding["roleRef"] ?? {}) as { name?: string };
  const { namespace = "" } = binding.metadata;
  const group = "rbac.authorization.k8s.io";
  if (may({ verb: "bind", group, resource: "roles", namespace, name })) return undefined;
  const role = roleOf(namespace, name);
  return role ? escalation(role, user, may) : errors.objectNotFound(`roles.${group}`, name);
}

/** Nobody grants by a Role what he may not do himself; @returns the refusal */
export function escalation(
  role: StoredObject,
  user: User,
  may: (what: errors.ResourceAttributes) => boolean,
): EmulatedAnswer | undefined {
  const namespace = role.metadata.namespace ?? "";
  const lacking = ((role["rules"] ?? []) as PolicyRule[]).filter(({ apiGroups = [], resources = [], ...rule }) =>
    !apiGroups.every((group) =>
      resources.every((full) =>
        (rule.resourceNames ?? [""]).every((name) =>
          (rule.verbs ?? []).every((verb) => {
            const [resource = "", subresource] = full.split("/");
            return may({ verb, group, resource, ...(subresource ? { subresource } : {}), namespace, name });
          })
        )
      )
    )
  );
  if (lacking.length === 0) return undefined;
  const quoted = (words: string[] = []) => `[${words.map((word) => JSON.stringify(word)).join(" ")}]`;
  const rules = lacking.map(({ apiGroups, resources, resourceNames, verbs }) =>
    `{APIGroups:${quoted(apiGroups)}, Resources:${quoted(resources)}, ` +
    `${resourceNames ? `ResourceNames:${quoted(resourceNames)}, ` : ""}Verbs:${quoted(verbs)}}`
  );
  const { name } = role.metadata;
  const message = `roles.rbac.authorization.k8s.io ${JSON.stringify(name)} is forbidden: user ` +
    `${JSON.stringify(user.name)} (groups=${
      quoted(user.groups)
    }) is attempting to grant RBAC permissions not currently held:\n` +
    rules.join("\n");
  return errors.refused(message, { name, group: "rbac.authorization.k8s.io", kind: "roles" });
}
