export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** A metric with its samples, one for each set of labels. */
export type Family = readonly [name: string, type: "gauge" | "counter", help: string, samples: readonly Sample[]];

/**
 * Prometheus' text format 0.0.4, https://prometheus.io/docs/instrumenting/exposition_formats/; a family without samples is left out.
 * Serve it as {@link EXPOSITION_TYPE}.
 */
export function exposition(families: readonly Family[]): string {
  return families.filter(([, , , samples]) => samples.length > 0).map(([name, type, help, samples]) =>
    `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n` +
    samples.map(([labels, value]) => `${name}${labelText(labels)} ${value}\n`).join("")
  ).join("");
}

export const EXPOSITION_TYPE = "text/plain; version=0.0.4";

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) =>
    `${name}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`
  );
  return pairs.length > 0 ? `{${pairs.join(",")}}` : "";
}
