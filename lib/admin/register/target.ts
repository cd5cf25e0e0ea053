import { Problem } from "../../base/errors.ts";
import type { RunService } from "../../gcp/mod.ts";
import type { CloudRunName } from "../../registration/mod.ts";
import { updateCommand } from "./run_warnings.ts";

/** Where the gate is to send requests of a service, and what for its tokens are. */
export interface Target {
  /** Only where it is not Cloud Run's own first one. */
  url: string | undefined;
  /** Only where it is not the URL's own. */
  audience: string | undefined;
  warnings: readonly string[];
}

/**
 * The URL that was given or Cloud Run's own, and an audience that the service takes: an ID token for a custom domain is refused, unless
 * that is one of its custom audiences. https://cloud.google.com/run/docs/configuring/custom-audiences
 * @throws {Problem} it has no URL and none was given
 */
export function targetOf(
  service: RunService,
  name: CloudRunName,
  given: { url?: string | undefined; audience?: string | undefined },
): Target {
  const url = given.url ?? service.urls[0];
  if (url === undefined) {
    throw new Problem({
      tried: `find a URL of Cloud Run service ${name.service} in ${name.region}`,
      got: "it has none: its default URL is switched off",
      fix: `--url https://DOMAIN, or: ${updateCommand(name, "--default-url")}`,
    });
  }
  const host = new URL(url).host;
  const own = `https://${host}`;
  const isCloudRuns = service.urls.includes(own);
  const taken = [...service.urls, ...service.audiences];
  const isTaken = (audience: string) => taken.some((one) => one.replace(/\/$/, "") === audience.replace(/\/$/, ""));
  const audience = given.audience ?? (isTaken(own) ? own : service.audiences[0] ?? own);
  const warnings: string[] = [];
  if (!isTaken(audience)) {
    const command = updateCommand(name, `--add-custom-audiences ${audience}`);
    warnings.push(`Cloud Run service ${name.service} in ${name.region} takes no ID token for ${audience}:\n${command}`);
  }
  if (!isCloudRuns && !host.endsWith(".run.app")) {
    warnings.push(`the gate sends tokens to ${host} only where its HGATE_FRONT_END_HOSTS has it`);
  }
  if (audience !== own) {
    warnings.push(
      `the gate sends ${host} tokens for ${audience} only where its HGATE_AUDIENCES has ${host}=${audience}`,
    );
  }
  return { url: given.url && own, audience: audience === own ? undefined : audience, warnings };
}
