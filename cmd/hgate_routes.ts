import * as v from "valibot";
import { UsageError } from "../lib/base/errors.ts";
import { request } from "../lib/base/http.ts";
import { parseAs } from "../lib/base/json.ts";

const Report = v.object({
  engine: v.string(),
  notReady: v.nullable(v.string()),
  isLeader: v.boolean(),
  routes: v.array(v.object({
    kind: v.string(),
    service: v.string(),
    names: v.array(v.string()),
    to: v.string(),
    open: v.number(),
  })),
  problems: v.array(v.object({ object: v.string(), problem: v.string() })),
});

/** `hgate routes`: what the gate on this host knows, a line for each name. */
export async function hgateRoutes(
  options: { port: number; output: unknown },
  print: (text: string) => void,
): Promise<number> {
  const { output = "text" } = options;
  if (output !== "text" && output !== "json") {
    throw new UsageError({ tried: "read --output", got: `"${output}"`, fix: "give text or json" });
  }
  const what = `ask the gate at 127.0.0.1:${options.port} for its routes`;
  const { text } = await request(`http://127.0.0.1:${options.port}/debug/routes`, {
    what,
    tries: 1,
    fixUnreachable:
      "run it beside the gate: kubectl -n istio-system exec deployment/hgate -c hgate -- hgate routes; HGATE_HTTP_PORT names another port",
  });
  const report = parseAs(Report, text, what);
  print(output === "json" ? JSON.stringify(report, null, 2) + "\n" : reportText(report));
  return 0;
}

/** Aligned columns, then what is wrong. */
export function reportText(report: v.InferOutput<typeof Report>): string {
  const rows = [
    ["KIND", "SERVICE", "NAME", "TO", "OPEN"],
    ...report.routes.flatMap(({ kind, service, names, to, open }) =>
      names.map((name, at) => at === 0 ? [kind, service, name, to, String(open)] : ["", "", name, "", ""])
    ),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd());
  const ready = report.notReady ? `not ready: ${report.notReady}` : "ready";
  return [
    ...lines,
    ...report.problems.map(({ object, problem }) => `! ${object}: ${problem}`),
    `${ready}, engine ${report.engine}${report.isLeader ? ", leader" : ""}`,
  ].join("\n") + "\n";
}
