import { UsageError } from "../base/errors.ts";
import { registerSecret } from "../base/secret.ts";
import { parseInteger, parseSetting, type Setting, type Source, SOURCES } from "./setting.ts";
import { TABLE } from "./table.ts";

/** What one source says: variables by name, e.g. `{WORKLOAD_NAMESPACE: "fortio"}`. Empty texts count as not said. */
export interface Layer {
  readonly source: Source;
  /** Where exactly, for people: a path, an address, a variable it was derived from. */
  readonly origin?: string;
  readonly values: Readonly<Record<string, string | undefined>>;
}

/** Where a value came from. */
export interface Provenance {
  readonly source: Source;
  readonly origin?: string | undefined;
}

/** The settings of a command by name. */
export type Table = Readonly<Record<string, Setting<unknown>>>;

/** What the settings of a table are. */
export type ValuesOf<T extends Table> = { readonly [Name in keyof T]: T[Name] extends Setting<infer V> ? V : never };

type Said = ReadonlyMap<string, { value: string } & Provenance>;

/** All settings, frozen; who said each is in {@link Settings.from}. */
export interface Settings extends ValuesOf<typeof TABLE> {
  /** `PORT_<name>` → port: where `/_hbone/<name>` leads; `http` is the app's. */
  readonly namedPorts: Readonly<Record<string, number>>;
  /** `CAROOT_<name>` → PEM. */
  readonly caRoots: Readonly<Record<string, string>>;
  /** Every other variable that was said anywhere but the flags: goes on to the agent (`ISTIO_META_*`, `XDS_HEADER_*`, …). */
  readonly others: Readonly<Record<string, string>>;
  /** Variable → its source. */
  readonly from: Readonly<Record<string, Provenance>>;
}

/** Variables whose values may hold credentials even though krun only passes them on. */
export const SECRET_VARIABLE =
  /^(XDS|CA)_HEADER_|TOKEN|SECRET|PASSWORD|PASSWD|PRIVATE_KEY|API_?KEY|AUTHORIZATION|CREDENTIAL_DATA/i;

/**
 * Settles every setting of krun from all layers; of two layers the one whose source comes first in {@link SOURCES} wins.
 * @throws {UsageError} a value that its setting cannot take
 */
export function resolve(layers: readonly Layer[]): Settings {
  const said = winners(layers);
  const { values, from } = settle(TABLE, said);
  const namedPorts: Record<string, number> = { http: values.appPort };
  const caRoots: Record<string, string> = {};
  const others: Record<string, string> = {};
  const known = new Set(Object.values(TABLE).map((setting) => setting.variable));
  for (const [variable, { value, source, origin }] of said) {
    if (SECRET_VARIABLE.test(variable)) registerSecret(value);
    if (known.has(variable)) continue;
    from[variable] = { source, origin };
    const port = /^PORT_(.+)$/.exec(variable);
    const root = /^CAROOT_(.+)$/.exec(variable);
    if (port) namedPorts[port[1]!] = parsePort(variable, value, { source, origin });
    else if (root) caRoots[root[1]!] = value;
    else others[variable] = value;
  }
  for (const value of [namedPorts, caRoots, others, from, ...Object.values(values)]) Object.freeze(value);
  return Object.freeze({ ...values, namedPorts, caRoots, others, from });
}

/**
 * Settles the settings of another command's table.
 * @throws {UsageError} a value that its setting cannot take
 */
export function resolveTable<T extends Table>(table: T, layers: readonly Layer[]): ValuesOf<T> {
  return Object.freeze(settle(table, winners(layers)).values);
}

/** Variable → the value of the strongest source that says one. */
function winners(layers: readonly Layer[]): Said {
  const strongestFirst = [...layers].sort((a, b) => SOURCES.indexOf(a.source) - SOURCES.indexOf(b.source));
  const said = new Map<string, { value: string } & Provenance>();
  for (const { source, origin, values } of strongestFirst) {
    for (const [variable, value] of Object.entries(values)) {
      if (value === undefined || value === "" || said.has(variable)) continue;
      said.set(variable, { value, source, origin });
    }
  }
  return said;
}

function settle<T extends Table>(table: T, said: Said): { values: ValuesOf<T>; from: Record<string, Provenance> } {
  const from: Record<string, Provenance> = {};
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(table)) {
    const found = said.get(setting.variable);
    from[setting.variable] = found ? { source: found.source, origin: found.origin } : { source: "default" };
    values[name] = found ? parseSetting(setting, found.value, describeSource(found)) : setting.fallback;
  }
  return { values: values as ValuesOf<T>, from };
}

/** `environment (K_SERVICE)` */
export function describeSource({ source, origin }: Provenance): string {
  return origin ? `${source} (${origin})` : source;
}

function parsePort(variable: string, value: string, provenance: Provenance): number {
  try {
    return parseInteger(value, { from: 1, to: 65_535 });
  } catch (error) {
    throw new UsageError({
      tried: `read setting ${variable} from ${describeSource(provenance)}`,
      got: `"${value}"`,
      fix: `give ${(error as Error).message}`,
    });
  }
}
