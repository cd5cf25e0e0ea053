import { type AdminDumps, LEARN_QUERIES } from "./learn.ts";
import { RESOURCES } from "./names.ts";

/** What whitebox mode asks Envoy's admin port. Every member rejects when Envoy isn't there or answers other than 200. */
export interface EnvoyAdmin {
  /** A text that is another one whenever istiod has sent listeners or clusters anew. */
  fingerprint(signal: AbortSignal): Promise<string>;
  dumps(signal: AbortSignal): Promise<AdminDumps>;
  /** What Envoy works with at this moment. */
  taken(signal: AbortSignal): Promise<Taken>;
}

export interface Taken {
  /** Versions of the filters that came by discovery, ours among them. */
  filterVersions: ReadonlySet<string>;
  scopesVersion: string | undefined;
  /** Names of the route configurations that istiod has delivered. */
  routes: ReadonlySet<string>;
}

/** The admin port at `base`, by `fetch`. */
export function envoyAdmin(base = "http://127.0.0.1:15000", fetcher: typeof fetch = fetch): EnvoyAdmin {
  const get = async (path: string, signal: AbortSignal) => {
    const response = await fetcher(base + path, { signal });
    if (!response.ok) {
      throw new Error(`GET ${base}${path}: ${response.status} ${(await response.text()).slice(0, 200)}`);
    }
    return response;
  };
  const configs = async (query: string, signal: AbortSignal): Promise<Record<string, unknown>[]> => {
    const answer = await (await get(`/config_dump?${query}`, signal)).json();
    return Array.isArray(answer?.configs) ? answer.configs : [];
  };
  return {
    fingerprint: async (signal) => await (await get(FINGERPRINT, signal)).text(),
    dumps: async (signal) => {
      const [listeners, clusters] = await Promise.all([
        get(LEARN_QUERIES.listeners, signal).then((answer) => answer.json()),
        get(LEARN_QUERIES.clusters, signal).then((answer) => answer.json()),
      ]);
      return { listeners, clusters };
    },
    taken: async (signal) => {
      const [filters, scopes, routes] = await Promise.all([
        configs(OUR_FILTERS, signal),
        configs("resource=dynamic_scoped_route_configs&mask=name,version_info", signal),
        configs("resource=dynamic_route_configs&mask=route_config.name", signal),
      ]);
      return {
        filterVersions: texts(filters.flatMap(filtersIn).map((entry) => entry["version_info"])),
        scopesVersion: text(scopes.find((entry) => entry["name"] === RESOURCES.scopes)?.["version_info"]),
        // Only those that have been delivered are in the dump at all.
        routes: texts(routes.map((entry) => (entry["route_config"] as { name?: unknown } | undefined)?.name)),
      };
    },
  };
}

/** The versions of istiod's last pushes: two lines, whatever the size of the mesh. Texts only, since Envoy looks through all its statistics for it. */
const FINGERPRINT = "/stats?type=TextReadouts&filter=" +
  encodeURIComponent("^(cluster_manager\\.cds|listener_manager\\.lds)\\.version_text$");

/** Envoy has two dumps of discovered filters, HTTP and network, and shows only one of them to a query for the resource. */
const OUR_FILTERS = "name_regex=krun_.*&mask=ecds_filters";

function filtersIn(dump: Record<string, unknown>): Record<string, unknown>[] {
  return Array.isArray(dump["ecds_filters"]) ? dump["ecds_filters"] : [];
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function texts(values: readonly unknown[]): Set<string> {
  return new Set(values.filter((value) => text(value) !== undefined) as string[]);
}
