import { googleCall, type GoogleRest, pathOf } from "./rest.ts";
import * as v from "valibot";

const Services = v.object({
  services: v.optional(
    v.array(v.object({ name: v.optional(v.string(), ""), state: v.optional(v.string(), "") })),
    [],
  ),
});

/**
 * Which of the APIs a project has switched on, in one call, https://cloud.google.com/service-usage/docs/reference/rest/v1/services/batchGet.
 * @param apis names as `run.googleapis.com`, 30 at most
 * @throws {HttpError} it may not be read
 */
export async function enabledApis(
  project: string,
  apis: readonly string[],
  rest: GoogleRest,
  signal?: AbortSignal,
): Promise<Set<string>> {
  const names = apis.map((api) => ["names", `projects/${project}/services/${api}`]);
  const { services } = await googleCall(Services, {
    what: `read which APIs project ${project} has switched on`,
    api: "serviceusage.googleapis.com",
    project,
    path: `v1/${pathOf("projects", project)}/services:batchGet?${new URLSearchParams(names)}`,
    permission: "serviceusage.services.get",
    tries: 2,
    signal,
  }, rest);
  // The answer names the project by its number.
  return new Set(services.filter(({ state }) => state === "ENABLED").map(({ name }) => name.split("/").at(-1)!));
}
