/** A log line of pilot-agent or Envoy, taken apart. */
export interface AgentLine {
  level: "debug" | "info" | "warning" | "error";
  message: string;
}

const LEVELS = new Map<string, AgentLine["level"]>(Object.entries(
  {
    trace: "debug",
    debug: "debug",
    info: "info",
    warn: "warning",
    warning: "warning",
    error: "error",
    critical: "error",
    fatal: "error",
  } as const,
));

/** Istio's `TIME\tlevel\t…` (also with Envoy's lines inside) and Envoy's own `[TIME][PID][level][component] …`. */
export function parseAgentLine(line: string): AgentLine {
  const istio = /^\S+\t(\w+)\t(.*)$/.exec(line);
  if (istio) return { level: LEVELS.get(istio[1]!) ?? "info", message: istio[2]!.replaceAll("\t", " ") };
  const envoy = /^\[[\d\- :.]+\]\[\d+\]\[(\w+)\](.*)$/.exec(line);
  if (envoy) return { level: LEVELS.get(envoy[1]!) ?? "info", message: `envoy ${envoy[2]!}` };
  // what a library of the agent says before the agent's log levels apply
  if (/^\d{4}\/\d\d\/\d\d [\d:]+ INFO /.test(line)) return { level: "debug", message: line.slice(20) };
  return { level: "info", message: line };
}
