import { yamlOf } from "../../base/document.ts";
import { type Colour, painter } from "../paint.ts";
import type { OutputFormat } from "../report.ts";
import type { Report } from "./examine.ts";
import type { Finding, State } from "./finding.ts";
import { PLACE_WORDS } from "./place.ts";

const GLYPHS: Readonly<Record<State, string>> = { pass: "✓", warn: "!", fail: "✗", skip: "-" };
const COLOURS: Readonly<Record<State, Colour>> = { pass: "green", warn: "yellow", fail: "red", skip: "dim" };

/** The report as a command prints it; `hasColour` on a terminal alone. */
export async function doctorText(report: Report, format: OutputFormat, hasColour: boolean): Promise<string> {
  if (format === "json") return `${JSON.stringify(report, null, 2)}\n`;
  if (format === "yaml") return await yamlOf(report);
  return textOf(report, hasColour);
}

/** @returns 1 where a check failed */
export function doctorExitCode({ counts }: Report): number {
  return counts.fail > 0 ? 1 : 0;
}

function textOf({ place, service, namespace, checks, counts }: Report, hasColour: boolean): string {
  const painted = painter(hasColour);
  const paint = (state: State, text: string) => painted(COLOURS[state], text);
  const about = [service && `service ${service}`, namespace && `namespace ${namespace}`].filter(Boolean).join(", ");
  const width = Math.max(...checks.map(({ id }) => nameOf(id).length));
  const lineOf = ({ id, state, seen, fix }: Finding) => [
    `  ${paint(state, GLYPHS[state])} ${nameOf(id).padEnd(width)}  ${state === "skip" ? paint(state, seen) : seen}`,
    ...(fix ? [`    ${" ".repeat(width)}  do: ${fix}`] : []),
  ];
  const groups = [...new Set(checks.map(({ group }) => group))];
  const left = [!service && "a Cloud Run service (--service NAME)", !namespace && "a namespace (--namespace NS)"];
  return [
    `doctor ${PLACE_WORDS[place]}${about ? `: ${about}` : ""}`,
    ...groups.flatMap((group) => [group, ...checks.filter((one) => one.group === group).flatMap(lineOf)]),
    ...left.filter(Boolean).map((what) => `not looked at: ${what}`),
    (["pass", "warn", "fail", "skip"] as const).map((state) => `${counts[state]} ${state}`).join(", "),
  ].join("\n") + "\n";
}

function nameOf(id: string): string {
  return id.slice(id.indexOf(".") + 1);
}
