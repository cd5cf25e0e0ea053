import { configure, getLogger, type Logger, type LogRecord } from "@logtape/logtape";
import { redact } from "./secret.ts";

export type { Logger };
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
  return getLogger(category);
}

function messageOf(record: LogRecord): string {
  return record.message.map((part) => (typeof part === "string" ? part : String(part))).join("");
}

function redactedProperties(properties: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(properties).map(([key, value]) => [
      key,
      value instanceof Error ? redact(value.message) : typeof value === "string" ? redact(value) : value,
    ]),
  );
}
