/** The methods of the emulated Cloud Run Admin API: services, revisions, operations. */
import { COMPUTED, WRITABLE } from "./cloud_run_fields.ts";
import type { RunStore } from "./cloud_run_store.ts";
import { lastOf, type RunServiceResource } from "./cloud_run_types.ts";
import { badRequest, unknownFields, violationsOf } from "./cloud_run_validate.ts";
import { alreadyExists, googleError, type GoogleMethod } from "./google_api.ts";
import { type EmulatedAnswer, type EmulatedRequest, jsonAnswer } from "./http_server.ts";

export interface RunMethodsOptions {
  store: RunStore;
  projectId: string;
  /** Read at each request. */
  regions: () => readonly string[];
  pageSize: () => number;
  /** Whether the caller lacks a permission that goes beyond the method's own. */
  isDenied: (permission: string) => boolean;
  userOf: (request: EmulatedRequest) => string;
}

const PARENT = "^/v2/projects/([^/]+)/locations/([^/]+)";
const SERVICE = `${PARENT}/services/([^/:]+)`;
const ACT_AS = "iam.serviceAccounts.actAs";

export function runMethods(options: RunMethodsOptions): GoogleMethod[] {
  const { store } = options;
  const method = (
    method: string,
    path: string,
    permission: string,
    handle: (name: string, request: EmulatedRequest) => EmulatedAnswer | Promise<EmulatedAnswer>,
  ): GoogleMethod => ({
    method,
    path: new RegExp(`${path}$`),
    permission,
    handle([project = "", region = ""], request) {
      const name = decodeURIComponent(request.url.pathname).slice("/v2/".length);
      return refused(options, { project, region, name, permission }) ?? handle(name, request);
    },
  });
  return [
    method("GET", SERVICE, "run.services.get", (name) => {
      store.look(name);
      const service = store.find(name);
      return service ? jsonAnswer(200, service) : noService(name);
    }),
    method(
      "GET",
      `${PARENT}/services`,
      "run.services.list",
      (name, { url }) => page(url, options.pageSize(), "services", store.listed(name)),
    ),
    method("POST", `${PARENT}/services`, "run.services.create", (parent, request) => {
      const id = request.url.searchParams.get("serviceId") ?? "";
      if (!/^[a-z]([-a-z0-9]{0,47}[a-z0-9])?$/.test(id)) {
        return badRequest([{ field: "service_id", description: "must be a DNS label of fewer than 50 characters." }]);
      }
      const name = `${parent}/${id}`;
      if (store.find(name)) return alreadyExists(`Resource '${id}' already exists.`, name);
      return write(options, undefined, name, request);
    }),
    method("PATCH", SERVICE, "run.services.update", (name, request) => {
      const service = store.find(name);
      const isMissingAllowed = request.url.searchParams.get("allowMissing") === "true";
      if (!service && !isMissingAllowed) return noService(name);
      return write(options, service, name, request);
    }),
    method("DELETE", SERVICE, "run.services.delete", (name, { url }) => {
      const service = store.find(name);
      if (!service) return noService(name);
      const etag = url.searchParams.get("etag");
      if (etag !== null && etag !== service.etag) return stale(service, etag);
      if (url.searchParams.get("validateOnly") === "true") return jsonAnswer(200, { name: "", done: true });
      return jsonAnswer(200, store.remove(service).resource());
    }),
    method("GET", `${SERVICE}/revisions/([^/:]+)`, "run.revisions.get", (name) => {
      store.find(name.split("/revisions/")[0]!);
      const found = store.state.revisions.find((revision) => revision.name === name);
      return found
        ? jsonAnswer(200, found)
        : googleError(404, `Resource '${lastOf(name)}' of kind 'REVISION' does not exist.`);
    }),
    method("GET", `${SERVICE}/revisions`, "run.revisions.list", (name, { url }) => {
      const service = name.slice(0, -"/revisions".length);
      store.find(service);
      return page(url, options.pageSize(), "revisions", store.revisionsOf(service).toReversed());
    }),
    method("GET", `${PARENT}/operations/([^/:]+)`, "run.operations.get", (name) => {
      const operation = store.operations.get(name);
      if (!operation) return googleError(404, `Operation ${lastOf(name)} does not exist.`);
      operation.look();
      return jsonAnswer(200, operation.resource());
    }),
  ];
}

/** A service is made, or changed: everything that can be refused is refused before anything is done. */
function write(
  options: RunMethodsOptions,
  service: RunServiceResource | undefined,
  name: string,
  request: EmulatedRequest,
): EmulatedAnswer {
  const { store } = options;
  let fields: RunServiceResource;
  try {
    fields = JSON.parse(new TextDecoder().decode(request.body));
  } catch {
    return googleError(400, "Invalid JSON payload received. Unexpected token.");
  }
  const unknown = unknownFields(fields);
  if (unknown) return unknown;
  const { searchParams } = request.url;
  const mask = (searchParams.get("updateMask") ?? searchParams.get("update_mask") ?? "").split(",").filter(Boolean).map(
    camelCase,
  );
  const strange = mask.find((path) => !Object.hasOwn({ ...WRITABLE, ...COMPUTED }, path.split(".")[0]!));
  if (strange) return badRequest([{ field: "update_mask", description: `Invalid field mask path: ${strange}` }]);
  if (service && fields.etag !== undefined && fields.etag !== service.etag) return stale(service, fields.etag);
  const paths = service && mask.length > 0 ? mask : Object.keys(WRITABLE);
  const merged = store.merged(
    service,
    name,
    fields,
    paths.filter((path) => Object.hasOwn(WRITABLE, path.split(".")[0]!)),
  );
  const violations = violationsOf(merged, lastOf(name), service ? "Update" : "Create");
  if (violations.length > 0) return badRequest(violations);
  const taken = store.taken(merged);
  if (taken) return googleError(409, `Revision named '${taken}' with different configuration already exists.`);
  const account = merged.template?.serviceAccount;
  const permissions = account ? [ACT_AS] : [];
  if (account && options.isDenied(ACT_AS)) {
    const message =
      `Permission 'iam.serviceaccounts.actAs' denied on service account ${account} (or it may not exist).`;
    return { ...googleError(403, message, "IAM_PERMISSION_DENIED"), permissions };
  }
  if (searchParams.get("validateOnly") === "true") {
    return { ...jsonAnswer(200, { name: "", done: true, response: merged }), permissions };
  }
  return { ...jsonAnswer(200, store.write(merged, options.userOf(request)).resource()), permissions };
}

function refused(
  { projectId, regions }: RunMethodsOptions,
  { project, region, name, permission }: { project: string; region: string; name: string; permission: string },
): EmulatedAnswer | undefined {
  if (project !== projectId) {
    const resource = name.replace(/\/services$/, "");
    return googleError(403, `Permission '${permission}' denied on resource '${resource}' (or resource may not exist).`);
  }
  if (!regions().includes(region)) {
    return googleError(404, `Location ${region} is not found or access is unauthorized.`);
  }
}

function noService(name: string): EmulatedAnswer {
  const [, project, , region, , service] = name.split("/");
  const message =
    `Resource '${service}' of kind 'SERVICE' in region '${region}' in project '${project}' does not exist.`;
  return googleError(404, message);
}

/** Somebody else was faster. */
function stale(service: RunServiceResource, etag: string): EmulatedAnswer {
  const message =
    `Conflict for resource '${lastOf(service.name)}': version '${etag}' was specified but current version ` +
    `is '${service.etag}'.`;
  return googleError(409, message);
}

function page(url: URL, most: number, field: string, all: readonly unknown[]): EmulatedAnswer {
  const from = Number(url.searchParams.get("pageToken") ?? 0);
  if (!Number.isInteger(from) || from < 0) return googleError(400, "Invalid page token.");
  const items = all.slice(from, from + most);
  const end = from + items.length;
  return jsonAnswer(200, {
    ...(items.length > 0 ? { [field]: items } : {}),
    ...(end < all.length ? { nextPageToken: String(end) } : {}),
  });
}

/** Masks come in both spellings. */
function camelCase(path: string): string {
  return path.trim().replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
