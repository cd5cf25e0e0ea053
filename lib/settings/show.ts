import { redact } from "../base/secret.ts";
import { describeSource, SECRET_VARIABLE, type Settings } from "./resolve.ts";
import type { Setting } from "./setting.ts";
import { type SettingName, TABLE } from "./table.ts";

/** A row of `krun config`. */
export interface Row {
  setting: string;
  /** Masked where it is secret, shortened where it is a certificate; `null` where it has none. */
  value: string | number | boolean | readonly string[] | null;
  source: string;
}

/** All settings for people and scripts: the table's first, then named ports, roots, and what is passed on to the agent. */
export function rowsOf(settings: Settings): Row[] {
  const source = (variable: string) => describeSource(settings.from[variable] ?? { source: "default" });
  const rows: Row[] = (Object.entries(TABLE) as [SettingName, Setting<unknown>][]).map(([name, setting]) => ({
    setting: setting.variable,
    value: setting.secret && settings[name] !== undefined ? "[secret]" : shown(settings[name] ?? null),
    source: source(setting.variable),
  }));
  for (const [name, port] of Object.entries(settings.namedPorts)) {
    if (name !== "http") rows.push({ setting: `PORT_${name}`, value: port, source: source(`PORT_${name}`) });
  }
  for (const [name, pem] of Object.entries(settings.caRoots)) {
    const certificates = pem.split("-----BEGIN CERTIFICATE-----").length - 1;
    rows.push({
      setting: `CAROOT_${name}`,
      value: `[${certificates} certificate${certificates === 1 ? "" : "s"}]`,
      source: source(`CAROOT_${name}`),
    });
  }
  for (const [variable, value] of Object.entries(settings.others)) {
    const passedOn = /^(ISTIO_|XDS_|CA_|DNS_|PILOT_)/.test(variable) ||
      settings.from[variable]?.source.startsWith("mesh-env");
    if (!passedOn) continue; // the app's own environment is nobody's business
    rows.push({
      setting: variable,
      value: SECRET_VARIABLE.test(variable) ? "[secret]" : redact(value),
      source: source(variable),
    });
  }
  return rows;
}

/** Aligned columns; `colour` dims the sources. */
export function tableOf(rows: readonly Row[], colour = false): string {
  const cells = rows.map(({ setting, value, source }) =>
    [
      setting,
      value === null ? "-" : Array.isArray(value) ? value.join(",") || "-" : String(value),
      source,
    ] as const
  );
  const widths = [0, 1].map((column) => Math.max(7, ...cells.map((row) => Math.min(row[column]!.length, 60))));
  const line = (row: readonly [string, string, string]) =>
    `${row[0].padEnd(widths[0]!)}  ${row[1].padEnd(widths[1]!)}  ${colour ? `\x1b[2m${row[2]}\x1b[0m` : row[2]}`;
  return [line(["SETTING", "VALUE", "SOURCE"]), ...cells.map(line)].join("\n") + "\n";
}

function shown(value: unknown): Row["value"] {
  return typeof value === "string" ? redact(value) : value as Row["value"];
}
