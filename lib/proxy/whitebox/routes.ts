import { type ResourceFile, resourceFile } from "./files.ts";
import { LUA_TYPE, OWN_SCOPES } from "./http_filters.ts";
import type { MeshPorts } from "./learn.ts";
import { luaSource } from "./lua.ts";
import { RESOURCES, typeUrl } from "./names.ts";
import type { NameScope } from "./service_names.ts";

/**
 * The scopes: one for each of `httpPorts`, which names istiod's route configuration of that number, and our own. Scopes that name a route
 * configuration can't stand in the bootstrap, only in discovery; from a file they can be replaced while Envoy runs.
 */
export function scopesFile(httpPorts: readonly number[]): ResourceFile {
  const scope = (name: string, routes: Record<string, unknown>) => ({
    "@type": typeUrl("config.route.v3.ScopedRouteConfiguration"),
    name,
    key: { fragments: [{ string_key: name }] },
    ...routes,
  });
  return resourceFile([
    ...httpPorts.map((port) => scope(`${port}`, { route_configuration_name: `${port}` })),
    ...Object.entries(OWN_SCOPES).map(([name, routes]) =>
      scope(name, {
        route_configuration: { name: `krun_${name}`, virtual_hosts: [{ name, domains: ["*"], routes }] },
      })
    ),
  ]);
}

/** The Lua filter as an extension that Envoy discovers from a file. */
export function luaFile(ports: MeshPorts, names: NameScope): ResourceFile {
  return resourceFile([{
    "@type": typeUrl("config.core.v3.TypedExtensionConfig"),
    name: RESOURCES.lua,
    typed_config: { "@type": LUA_TYPE, default_source_code: { inline_string: luaSource(ports, names) } },
  }]);
}
