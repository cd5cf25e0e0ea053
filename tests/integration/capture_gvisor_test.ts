/** gVisor has neither back end: whitebox, with the reason. Needs root, iptables and runsc (RUNSC_BIN, or in PATH). */
import assert from "node:assert/strict";
import { captureSettings, runHere, startCapture } from "../../lib/capture/mod.ts";
import { cannotHaveNamespaces, Namespace } from "./capture_namespaces.ts";

const runsc = Deno.env.get("RUNSC_BIN") ?? "runsc";

async function cannotHaveGvisor(): Promise<string | undefined> {
  const output = await runHere(runsc, ["--version"]);
  return output?.code === 0 ? await cannotHaveNamespaces() : "needs runsc (RUNSC_BIN)";
}

const because = await cannotHaveGvisor();
const title = "capture: whitebox in gVisor";

const ROWS: [flags: string[], expected: RegExp][] = [
  [[], /^iptables cannot be used: it needs root with NET_ADMIN and a kernel with netfilter \(.*Protocol not supported/],
  // Rules can be made there, but not be found again, let alone removed.
  [["--net-raw"], /iptables-legacy-save does not see the tables that are there/],
];

Deno.test({
  name: because ? `${title} (${because})` : title,
  ignore: because !== undefined,
  async fn() {
    await using namespace = await Namespace.make();
    const root = await Deno.makeTempDir({ prefix: "kcap-" });
    try {
      for (const [flags, expected] of ROWS) {
        const run = namespace.runBy(runsc, `--root=${root}`, "--network=none", "--ignore-cgroups", ...flags, "do");
        const around = { servers: { 4: [], 6: [] }, addresses: [] };
        const made = await startCapture("auto", { settings: captureSettings({}), around, run });
        assert(made.use === "whitebox");
        assert.match(made.because, expected);
        assert(!made.because.includes("\n"));
      }
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  },
});
