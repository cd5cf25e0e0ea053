import { configure, getLogger, type LogRecord } from "@logtape/logtape";
import { redact } from "./secret.ts";

/** Says one line; `properties` become its fields. */
type Say = (message: string, properties?: Record<string, unknown>) => void;

/** The log of one part of the program. */
export interface Logger {
  readonly debug: Say;
  readonly info: Say;
  readonly warn: Say;
  readonly error: Say;
}

export type LogLevel = "debug" | "info" | "warning" | "error";
export type LogFormat = "text" | "json";

/** Cloud Logging's severities, https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#LogSeverity. */
const SEVERITY: Record<LogRecord["level"], string> = {
  trace: "DEBUG",
  debug: "DEBUG",
  info: "INFO",
  warning: "WARNING",
  error: "ERROR",
  fatal: "CRITICAL",
};

/** One line for Cloud Logging (JSON with `severity`, `message`, `timestamp`); properties of the record become fields. */
export function formatJson(record: LogRecord): string {
  return JSON.stringify({
    severity: SEVERITY[record.level],
    message: redact(messageOf(record)),
    timestamp: new Date(record.timestamp).toISOString(),
    component: record.category.join("."),
    ...redactedProperties(record.properties),
  });
}

/** One line for people: `krun identity  token renewed  audience=istio-ca`. */
export function formatText(record: LogRecord, colour = false): string {
  const paint = (code: number, text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
  const mark = { trace: "·", debug: "·", info: " ", warning: "!", error: "✗", fatal: "✗" }[record.level];
  const tone = { trace: 2, debug: 2, info: 0, warning: 33, error: 31, fatal: 31 }[record.level];
  const fields = Object.entries(redactedProperties(record.properties))
    .map(([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`).join("");
  const time = new Date(record.timestamp).toISOString().slice(11, 23);
  return `${paint(2, time)} ${paint(tone, `${mark} ${record.category.join(".")}: ${redact(messageOf(record))}`)}${
    paint(2, fields)
  }`;
}

/** Sends all log lines to `write` (standard error by default); call once, at the start of a command. */
export async function setUpLogging(options: {
  level: LogLevel;
  format: LogFormat;
  colour?: boolean;
  write?: (line: string) => void;
}): Promise<void> {
  const write = options.write ?? ((line: string) => void Deno.stderr.writeSync(new TextEncoder().encode(line)));
  const format = options.format === "json"
    ? formatJson
    : (record: LogRecord) => formatText(record, options.colour ?? false);
  await configure({
    reset: true,
    sinks: { out: (record) => write(format(record) + "\n") },
    loggers: [
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["out"] },
      { category: [], lowestLevel: options.level, sinks: ["out"] },
    ],
  });
}

/** The logger of a part, e.g. `logger("krun", "identity")`. Properties are given as a second argument: `log.info("x", {port})`. */
export function logger(...category: [string, ...string[]]): Logger {
  const to = getLogger(category);
  // Messages are text, not templates: braces, as in an answer's JSON, stay what they are.
  const asIs = (message: string) => message.replace(/[{}]/g, "$&$&");
  return {
    debug: (message, properties) => to.debug(asIs(message), properties ?? {}),
    info: (message, properties) => to.info(asIs(message), properties ?? {}),
    warn: (message, properties) => to.warn(asIs(message), properties ?? {}),
    error: (message, properties) => to.error(asIs(message), properties ?? {}),
  };
}

function messageOf(record: LogRecord): string {
  return record.message.map((part) => (typeof part === "string" ? part : String(part))).join("");
}

function redactedProperties(properties: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, redactedValue(value)]));
}

function redactedValue(value: unknown): unknown {
  if (typeof value === "string") return redact(value);
  if (value instanceof Error) return redact(value.message);
  if (Array.isArray(value)) return value.map(redactedValue);
  if (typeof value !== "object" || value === null || "toJSON" in value) return value;
  return redactedProperties(value as Record<string, unknown>);
}
