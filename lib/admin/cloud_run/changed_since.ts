import type { RunContainer, RunResource, RunRevision, RunTemplate } from "../../gcp/mod.ts";
import { differencesOf } from "../difference.ts";
import { CAPTURES, KRUN } from "./krun_container.ts";
import { krunOf, meshTemplate } from "./mesh_template.ts";
import { comparable } from "./comparable.ts";
import { ATTEMPT, type Former, templateOf } from "./record.ts";

/**
 * What somebody else has changed of a service since `add-service`: where its template is another than the one that would be made of the
 * former one. krun's own container, account and VPC are settings of `add-service` and not looked at.
 * @returns paths, `containers.web.image`
 */
export function changedSince({ template = {} }: RunResource, former: Former, revision: RunRevision): string[] {
  const krun = krunOf(template);
  if (!krun) return ["krun's container is gone"];
  const value = (wanted: string) => krun.env?.find(({ name }) => name === wanted)?.value;
  const made = meshTemplate(templateOf(revision, former), {
    image: krun.image ?? "",
    namespace: value("WORKLOAD_NAMESPACE") ?? "",
    capture: CAPTURES.find((word) => word === value("KRUN_CAPTURE")) ?? "auto",
    env: {},
    limits: { cpu: "", memory: "" },
  }, "compare");
  return differencesOf(comparable(compared(made)), comparable(compared(template))).map(({ path }) => path);
}

function compared(template: RunTemplate): unknown {
  const { containers = [], annotations, revision: _, serviceAccount: _account, vpcAccess: _vpc, ...kept } = template;
  const { [ATTEMPT]: _attempt, ...notes } = annotations ?? {};
  const others = containers.filter(({ name }) => name !== KRUN);
  const entries = others.map((
    container: RunContainer,
    at,
  ): [string, unknown] => [container.name ?? String(at), container]);
  return {
    ...kept,
    ...(Object.keys(notes).length > 0 ? { annotations: notes } : {}),
    containers: Object.fromEntries(entries),
  };
}
