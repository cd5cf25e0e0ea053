import { UsageError } from "../lib/base/errors.ts";
import { discover, type Outside } from "../lib/cluster/mod.ts";
import { rowsOf, tableOf } from "../lib/settings/mod.ts";

/** `krun config`: finds the cluster as a start would, and prints what it settled; changes nothing. */
export async function config(outside: Outside, print: (text: string) => void, terminal: boolean): Promise<number> {
  const output = outside.flags["output"] ?? "text";
  if (output !== "text" && output !== "json") {
    throw new UsageError({ tried: "read --output", got: `"${output}"`, fix: "give text or json" });
  }
  const { settings, kube } = await discover(outside);
  kube?.[Symbol.dispose]();
  const rows = rowsOf(settings);
  print(output === "json" ? JSON.stringify(rows, null, 2) + "\n" : tableOf(rows, terminal));
  return 0;
}
