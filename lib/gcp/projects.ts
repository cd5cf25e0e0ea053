import { type Fetch, request } from "../base/http.ts";
import { parseAs } from "../base/json.ts";
import type { GoogleCredentials } from "./credentials.ts";
import { headersFor } from "./refusal.ts";
import { googleCall, type GoogleRest, pathOf } from "./rest.ts";
import * as v from "valibot";

const WholeProject = v.object({ name: v.pipe(v.string(), v.regex(/^projects\/\d+$/)), projectId: v.string() });

/** The number of a project, as a text: the part of names and URLs that does not change. @throws {HttpError} it may not be read */
export async function projectNumber(project: string, rest: GoogleRest, signal?: AbortSignal): Promise<string> {
  const { name } = await googleCall(WholeProject, {
    what: `read project ${project}`,
    api: "cloudresourcemanager.googleapis.com",
    project,
    path: `v3/${pathOf("projects", project)}`,
    permission: "resourcemanager.projects.get",
    signal,
  }, rest);
  return name.slice("projects/".length);
}

const Project = v.object({ labels: v.optional(v.record(v.string(), v.string()), {}) });

/** Labels of a project, https://cloud.google.com/resource-manager/reference/rest/v3/projects/get. */
export async function projectLabels(
  project: string,
  options: { credentials: GoogleCredentials; endpoint?: string | undefined; fetch?: Fetch | undefined },
): Promise<Readonly<Record<string, string>>> {
  const endpoint = options.endpoint ?? "https://cloudresourcemanager.googleapis.com/";
  const url = new URL(`v3/projects/${encodeURIComponent(project)}`, endpoint).href;
  const what = `read the labels of project ${project}`;
  const { text } = await request(url, {
    what,
    headers: await headersFor(options.credentials, project),
    tries: 2,
    fetch: options.fetch,
    fix: (status) =>
      status === 403 ? "grant resourcemanager.projects.get, which roles/container.clusterViewer holds" : undefined,
  });
  return parseAs(Project, text, `${what} (GET ${url})`).labels;
}
