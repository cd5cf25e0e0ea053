/**
 * An IAM policy that several may edit: etags, conditions, versions. The same for every API that has `:getIamPolicy` and `:setIamPolicy`.
 *
 * Wire facts: https://cloud.google.com/iam/docs/reference/rest/v1/Policy, https://cloud.google.com/iam/docs/allow-policies#etag
 */
import { googleError } from "./google_api.ts";
import { type EmulatedAnswer, jsonAnswer } from "./http_server.ts";

export interface PolicyBinding {
  role: string;
  members: string[];
  condition?: { title: string; expression: string; description?: string };
}

export interface EmulatedPolicyOptions {
  bindings?: PolicyBinding[];
  /** Whether a member is somebody; others are refused as Google does. @default everybody is */
  exists?: (member: string) => boolean;
}

/** Version of a policy with conditions, and the least that one who reads or writes it has to know of. */
const WITH_CONDITIONS = 3;

/** https://cloud.google.com/iam/docs/conditions-overview#limitations */
const BASIC_ROLES = new Set(["roles/owner", "roles/editor", "roles/viewer"]);

export class EmulatedPolicy {
  bindings: PolicyBinding[];
  #version = 1;

  constructor(readonly options: EmulatedPolicyOptions = {}) {
    this.bindings = options.bindings ?? [];
  }

  get etag(): string {
    return btoa(`policy-${this.#version}`);
  }

  has(role: string, member: string): boolean {
    return this.bindings.some((binding) =>
      binding.role === role && !binding.condition && binding.members.includes(member)
    );
  }

  /** Another editor's change. */
  edit(change: (bindings: PolicyBinding[]) => void): void {
    change(this.bindings);
    this.#version++;
  }

  /** @param requestedVersion `options.requestedPolicyVersion`; below 3, conditions are not shown as such */
  get(requestedVersion = 1): EmulatedAnswer {
    if (![0, 1, WITH_CONDITIONS].includes(requestedVersion)) {
      return googleError(400, "Invalid requested policy version.");
    }
    const isShown = requestedVersion === WITH_CONDITIONS;
    const bindings = this.bindings.map(({ condition, role, members }) => {
      if (!condition) return { role, members };
      return isShown
        ? { role, members, condition }
        : { role: `${role}_withcond_${this.#version}a1b2c3d4e5f6`, members };
    });
    const version = isShown && this.bindings.some(({ condition }) => condition) ? WITH_CONDITIONS : 1;
    return jsonAnswer(200, { version, etag: this.etag, ...(bindings.length > 0 ? { bindings } : {}) });
  }

  /** @param body of `:setIamPolicy` */
  set(body: unknown): EmulatedAnswer {
    const policy = (body as { policy?: { version?: number; etag?: string; bindings?: PolicyBinding[] } } | null)
      ?.policy;
    if (typeof policy !== "object" || policy === null) return googleError(400, "The policy is required.");
    if (policy.etag !== undefined && policy.etag !== this.etag) {
      return googleError(
        409,
        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.",
      );
    }
    const bindings = policy.bindings ?? [];
    if (!Array.isArray(bindings)) return googleError(400, "Invalid value at 'policy.bindings'.");
    const hasConditions = [...bindings, ...this.bindings].some(({ condition }) => condition);
    if (hasConditions && policy.version !== WITH_CONDITIONS) {
      return googleError(
        400,
        "The request specified a policy version that does not support conditions: set version to 3.",
      );
    }
    for (const { role, members, condition } of bindings) {
      if (condition && BASIC_ROLES.has(role)) {
        return googleError(400, `Conditions are not supported on basic role ${role}.`);
      }
      if (
        typeof role !== "string" || !/^(roles|projects\/[^/]+\/roles|organizations\/\d+\/roles)\/[\w.]+$/.test(role)
      ) {
        return googleError(400, `Role ${role} is not supported for this resource.`);
      }
      for (const member of members ?? []) {
        if (
          !/^(user|group|serviceAccount|domain|deleted|principal|principalSet):.+$|^all(Authenticated)?Users$/.test(
            member,
          )
        ) {
          return googleError(400, `Invalid member: ${member}.`);
        }
        if (this.options.exists && !this.options.exists(member)) {
          const [kind, name] = member.split(/:(.*)/s);
          const word = kind === "serviceAccount" ? "Service account" : "User";
          return googleError(400, `${word} ${name} does not exist.`);
        }
      }
    }
    this.bindings = bindings.filter(({ members }) => members?.length).map((binding) => structuredClone(binding));
    this.#version++;
    return this.get(policy.version ?? 1);
  }
}
