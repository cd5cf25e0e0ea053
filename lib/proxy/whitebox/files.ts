import { createHash } from "node:crypto";

/** The files that Envoy reads from, in a directory of their own. */
export function paths(directory: string): { scopes: string; lua: string; forward: (localPort: number) => string } {
  return {
    scopes: `${directory}/scopes.json`,
    lua: `${directory}/lua.json`,
    forward: (localPort) => `${directory}/forward_${localPort}.json`,
  };
}

/** A source of resources for Envoy: a file that it reads anew whenever another is renamed onto it. */
export function fileSource(path: string): Record<string, unknown> {
  return { path_config_source: { path }, resource_api_version: "V3" };
}

/** Contents of a file that Envoy reads resources from, and the version that Envoy's dumps show once it has taken them. */
export interface ResourceFile {
  content: string;
  version: string;
}

/** The form of such a file: a DiscoveryResponse. The version is the content's hash, so that equal contents are no change. */
export function resourceFile(resources: Record<string, unknown>[]): ResourceFile {
  const version = createHash("sha256").update(JSON.stringify(resources)).digest("hex").slice(0, 16);
  return { content: JSON.stringify({ version_info: version, resources }), version };
}
