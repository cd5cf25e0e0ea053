/** All that an administrator's command can change, in a form that two worlds can be compared by. */
import type { EmulatedPolicy, PolicyBinding } from "../emulators/iam_policy.ts";
import type { AdminWorld } from "./admin_world.ts";

/** Who edits at the same time as a command, in {@link editPolicy} and {@link editObject}. */
const OTHER = "other-editor";
const OTHERS_BINDING: PolicyBinding = {
  role: "roles/browser",
  members: ["user:other@example.com"],
  condition: { title: "until noon", expression: "request.time < timestamp('2040-01-01T12:00:00Z')" },
};

/** What differs by chance or by time alone. */
const BY_CHANCE =
  /^(?:uid|uniqueId|oauth2ClientId|etag|resourceVersion|generation|observedGeneration|creationTimestamp|createTime|updateTime|deleteTime|latest\w*Revision|time|trafficStatuses|lastTransitionTime|lastModifier)$/;

/** Names that Cloud Run gives. */
const REVISION = /\b([a-z][a-z0-9-]*)-\d{5}-\w{3}\b/g;

/** JSON values, comparable by deepEqual; names are in order. */
export function viewOf(world: AdminWorld): Record<string, unknown> {
  const { iam, resourceManager, serviceUsage, cloudRun, kubernetes } = world;
  const services = cloudRun.state.services as readonly { name: string }[];
  return {
    "service accounts": byName(iam.state.serviceAccounts.map((account) => [account.email, constant(account)])),
    policies: byName([
      ...[...resourceManager.state.policies].map(named),
      ...[...iam.state.policies].map(named),
      ...services.map(({ name }) => named([name, cloudRun.policies.of(name)])),
    ].filter(([, bindings]) => bindings.length > 0)),
    apis: [...serviceUsage.state.enabled].sort(),
    services: byName(services.map((service) => [service.name, constant(service)])),
    objects: byName(
      kubernetes.objects.all().map(([resource, object]) => {
        const { namespace = "", name } = object.metadata;
        return [`${resource} ${namespace}/${name}`, constant(object)];
      }),
    ),
  };
}

const named = ([name, policy]: [string, EmulatedPolicy]): [string, unknown[]] => [name, bindingsOf(policy)];

function bindingsOf({ bindings }: EmulatedPolicy): unknown[] {
  return bindings.map(({ role, members, condition }) =>
    JSON.stringify({ role, members: members.toSorted(), condition })
  ).sort();
}

function byName(entries: [string, unknown][]): Record<string, unknown> {
  return Object.fromEntries(entries.toSorted(([a], [b]) => a < b ? -1 : 1));
}

function constant(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(constant);
  if (typeof value === "string") return value.replaceAll(REVISION, "$1-REVISION");
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([key, member]) => !BY_CHANCE.test(key) && member !== undefined);
  return byName(entries.map(([key, member]) => [key, constant(member)]));
}

/** Another's change of the policy that `url` writes. @returns how to take it back, and whether it was still there */
export function editPolicy(world: AdminWorld, url: string): (() => boolean) | undefined {
  const path = /^\/v\d\/(.*):setIamPolicy$/.exec(new URL(url).pathname)?.[1];
  const policy = path && policyAt(world, decodeURIComponent(path));
  if (!policy) return undefined;
  policy.edit((bindings) => bindings.push(structuredClone(OTHERS_BINDING)));
  return () => {
    const at = policy.bindings.findIndex((binding) => JSON.stringify(binding) === JSON.stringify(OTHERS_BINDING));
    if (at >= 0) policy.edit((bindings) => bindings.splice(at, 1));
    return at >= 0;
  };
}

function policyAt({ cloudRun, iam, resourceManager }: AdminWorld, path: string): EmulatedPolicy | undefined {
  const [, project = "", account] = /^projects\/([^/]+)(?:\/serviceAccounts\/(.*))?$/.exec(path) ?? [];
  if (account) return iam.state.policies.get(account);
  return project ? resourceManager.policyOf(project) : cloudRun.policies.of(path);
}

/** Another's change of the Cloud Run service that `url` writes. @returns as {@link editPolicy} */
export function editService({ cloudRun }: AdminWorld, url: string): (() => boolean) | undefined {
  const { pathname, origin, searchParams } = new URL(url);
  const name = /^\/v2\/(projects\/[^/]+\/locations\/[^/]+\/services\/[^/:]+)$/.exec(pathname)?.[1];
  const find = () => cloudRun.state.services.find((service) => service.name === name);
  const isWrite = origin === cloudRun.origin && searchParams.get("validateOnly") !== "true";
  if (!isWrite || !name || !find()) return undefined;
  cloudRun.touch(name, (service) => service.annotations = { ...service.annotations, [OTHER]: "was-here" });
  return () => {
    const { [OTHER]: edited, ...annotations } = find()?.annotations ?? {};
    cloudRun.touch(name, (service) => {
      if (Object.keys(annotations).length > 0) service.annotations = annotations;
      else delete service.annotations;
    });
    return edited !== undefined;
  };
}

/** Another's change of a field of the object that `url` writes, where it is there. @returns as {@link editPolicy} */
export function editObject({ kubernetes: { objects, origin } }: AdminWorld, url: string): (() => boolean) | undefined {
  const { pathname, origin: at } = new URL(url);
  const path = /^\/apis?\/.*?(?:\/namespaces\/([^/]+)(?=\/[a-z]))?\/([a-z]+)\/([^/]+)$/.exec(pathname);
  const [, namespace, resource = "", name = ""] = path ?? [];
  const row = at === origin ? objects.row(resource, namespace, name) : undefined;
  if (!row) return undefined;
  const { metadata, ...rest } = row.object;
  const labels = { ...metadata["labels"] as object, [OTHER]: "was-here" };
  objects.put(resource, { ...rest, metadata: { ...metadata, labels } }, OTHER);
  return () => {
    const now = objects.row(resource, namespace, name);
    if (!now) return true; // taken away meanwhile, as a whole
    const { [OTHER]: edited, ...kept } = now.object.metadata["labels"] as Record<string, unknown> ?? {};
    const owners = now.owners.filter(({ manager }) => manager !== OTHER);
    objects.write(resource, { ...now.object, metadata: { ...now.object.metadata, labels: kept } }, owners);
    return edited !== undefined;
  };
}
