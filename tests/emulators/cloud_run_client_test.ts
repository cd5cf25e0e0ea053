/** Google's own client of the Cloud Run Admin API against the emulated one: so that that is no mirror of our mistakes. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { AccessTokens } from "./access_tokens.ts";
import { startCloudRun } from "./cloud_run.ts";
import { type FieldType, SERVICE } from "./cloud_run_fields.ts";

/** Where gcloud is installed, and the Python it brings. */
async function gcloud(): Promise<{ root: string; python: string } | undefined> {
  for (const root of ["/usr/lib/google-cloud-sdk", "/usr/share/google-cloud-sdk", "/opt/google-cloud-sdk"]) {
    const python = `${root}/platform/bundledpythonunix/bin/python3`;
    const client = `${root}/lib/googlecloudsdk/generated_clients/apis/run/v2`;
    const isThere = (path: string) => Deno.stat(path).then(() => true, () => false);
    if (await isThere(python) && await isThere(client)) return { root, python };
  }
}

type Described = { [name: string]: "value" | Described };

/** Fields by their path, lists as what they are lists of. */
function pathsOf(type: FieldType | Described, at = ""): string[] {
  if (typeof type === "string") return [at];
  if ("many" in type && Object.keys(type).length === 1) return pathsOf((type as { many: FieldType }).many, at);
  return [at, ...Object.entries(type).flatMap(([name, field]) => pathsOf(field, `${at}.${name}`))];
}

const installed = await gcloud();

Deno.test({
  name: "Cloud Run: Google's own client reads and writes the emulated API (gcloud has it)",
  ignore: !installed,
  async fn() {
    const { root, python } = installed!;
    const accessTokens = new AccessTokens();
    await using emulator = await startCloudRun({ accessTokens });
    const token = accessTokens.issue("me@example.com");
    const program = fileURLToPath(new URL("cloud_run_client.py", import.meta.url));
    const { stdout, stderr, success } = await new Deno.Command(python, {
      args: ["-B", program, root, `${emulator.origin}/`, token],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    const told = JSON.parse(new TextDecoder().decode(stdout));

    // What neither is written here nor looked at: these are passed over as they are.
    const opaque = /^\.(binaryAuthorization|buildConfig|terminalCondition|conditions|trafficStatuses)\.|\.buildInfo\./;
    const ours = new Set(pathsOf(SERVICE));
    assert.deepEqual(pathsOf(told.fields).filter((path) => !ours.has(path) && !opaque.test(path)), []);
    assert.equal(told.stale, "ABORTED");
    // The client drops what the API's description does not have.
    const [service] = emulator.state.services;
    assert.deepEqual(told.service, JSON.parse(JSON.stringify(service)));
    const revision = emulator.state.revisions.find(({ name }) => name === service!.latestCreatedRevision);
    assert.deepEqual(told.revision, JSON.parse(JSON.stringify(revision)));
  },
});
