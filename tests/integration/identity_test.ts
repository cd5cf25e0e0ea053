/** The identity as files, as krun leaves them: owners, modes, nothing half-written; and renewed while the app runs. */
import assert from "node:assert/strict";
import { startWorld } from "../emulators/world.ts";
import { freePort } from "../free_port.ts";
import { openCache, runKrun, startKrun, withDirectory } from "./krun_process.ts";

const root = Deno.uid() === 0;
const QUIET = ["--proxy=none", "--tunnel=none"];

/** `mode path`, with owners in front where root can give files away; the base itself is left out. */
async function tree(directory: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${directory}${below}`)) {
    const path = `${below}/${name}`;
    const { mode, uid, gid } = await Deno.lstat(directory + path);
    const owner = root ? `${uid}:${gid} ` : "";
    found.push(`${owner}${(mode! & 0o7777).toString(8)} ${path}${isDirectory ? "/" : ""}`);
    if (isDirectory) found.push(...await tree(directory, path));
  }
  return found.sort((a, b) => (a.split("/").slice(1).join("/") < b.split("/").slice(1).join("/") ? -1 : 1));
}

const FILES = [
  "755 /etc/",
  "755 /etc/istio/",
  "755 /etc/istio/pod/",
  "644 /etc/istio/pod/annotations",
  "644 /etc/istio/pod/labels",
  "755 /etc/istio/proxy/",
  "755 /var/",
  "755 /var/run/",
  "755 /var/run/krun/",
  "755 /var/run/secrets/",
  "755 /var/run/secrets/istio.io/",
  "755 /var/run/secrets/istio/",
  "644 /var/run/secrets/istio/root-cert.pem",
  "755 /var/run/secrets/tokens/",
  "600 /var/run/secrets/tokens/istio-token",
  "755 /var/run/secrets/workload-spiffe-credentials/",
  "755 /var/run/secrets/workload-spiffe-uds/",
];

/** What krun notes for itself is not the proxy's. */
const ownerOf = (line: string) => line.endsWith("/krun/") ? "0:0" : "1337:1337";

const order = (lines: string[]) => [...lines].sort();

for (const umask of ["022", "077", "000"]) {
  Deno.test(`identity: files and directories have their modes and owners, umask ${umask} or not, and no temporary file stays`, () =>
    withDirectory(async (directory) => {
      await using world = await startWorld();
      const environment = { ...world.environment, MESH_BASE_DIR: directory, PORT_http: String(freePort()) };
      const within = ["sh", "-c", `umask ${umask} && exec "$@"`, "sh"];
      const { code, stderr } = await runKrun([...QUIET, "sh", "-c", "exit 3"], { environment, within });
      assert.equal(code, 3, stderr);
      assert.deepEqual(
        order(await tree(directory)),
        order(FILES.map((line) => root ? `${ownerOf(line)} ${line}` : line)),
      );
      const text = (path: string) => Deno.readTextFile(directory + path);
      assert.equal(await text("/var/run/secrets/istio/root-cert.pem"), world.meshAuthority.certificatePem);
      assert.match(await text("/etc/istio/pod/labels"), /^service\.istio\.io\/canonical-name="default"$/m);
    }));
}

Deno.test({
  name: "identity: a user who is not root keeps the files, below its working directory",
  ignore: !root, // only root can start krun as another user
  fn: () =>
    withDirectory(async (directory) => {
      await using world = await startWorld();
      await Deno.chmod(directory, 0o755);
      const cwd = `${directory}/home`;
      await Deno.mkdir(cwd);
      await Deno.chown(cwd, 65_534, 65_534);
      const environment = {
        ...world.environment,
        DENO_DIR: await openCache(directory),
        PORT_http: String(freePort()),
      };
      const { code, stderr } = await runKrun([...QUIET, "sh", "-c", "exit 3"], { environment, uid: 65_534, cwd });
      assert.equal(code, 3, stderr);
      assert.deepEqual(order(await tree(cwd)), order(FILES.map((line) => `65534:65534 ${line}`)));
    }),
});

Deno.test("identity: what is there already is replaced as a whole, directories keep their modes", () =>
  withDirectory(async (directory) => {
    await using world = await startWorld();
    const tokens = `${directory}/var/run/secrets/tokens`;
    await Deno.mkdir(tokens, { recursive: true });
    await Deno.chmod(tokens, 0o700);
    await Deno.writeTextFile(`${tokens}/istio-token`, "x".repeat(10_000), { mode: 0o666 });
    using old = await Deno.open(`${tokens}/istio-token`);
    const environment = { ...world.environment, MESH_BASE_DIR: directory, PORT_http: String(freePort()) };
    const { code } = await runKrun([...QUIET, "sh", "-c", "exit 3"], { environment });
    assert.equal(code, 3);
    assert.match(await Deno.readTextFile(`${tokens}/istio-token`), /^ey[\w-]+\.[\w-]+\.[\w-]+$/);
    assert.equal((await Deno.stat(`${tokens}/istio-token`)).mode! & 0o777, 0o600);
    assert.equal((await Deno.stat(tokens)).mode! & 0o777, 0o700);
    const kept = new Uint8Array(20_000);
    assert.equal(await old.read(kept), 10_000, "who has the old file open reads it to its end");
  }));

Deno.test("identity: a short-lived token is renewed while the app runs", () =>
  withDirectory(async (directory) => {
    await using world = await startWorld();
    const { kubernetes } = world;
    using app = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const environment = {
      ...world.environment,
      MESH_BASE_DIR: directory,
      PORT_http: String(app.addr.port),
      KRUN_LOG_FORMAT: "text",
    };
    // The server's word counts, not what was asked for.
    const lived = (value: string) => {
      const expirationTimestamp = new Date(Date.now() + 1_500).toISOString();
      return JSON.stringify({ status: { token: value, expirationTimestamp } });
    };
    kubernetes.faults.add(
      { match: /token$/, times: 1, status: 201, body: lived("first.token.of-the-workload") },
      { match: /token$/, times: 1, status: 503 },
    );
    await using krun = startKrun(QUIET, { environment });
    await krun.said(/in the mesh/);
    const path = `${directory}/var/run/secrets/tokens/istio-token`;
    assert.equal(await Deno.readTextFile(path), "first.token.of-the-workload");
    await krun.said(/token renewed .*audience=demo-project\.svc\.id\.goog/);
    assert.match(await Deno.readTextFile(path), /^ey/);
    krun.kill("SIGTERM");
    assert.equal((await krun.ended).code, 0);
    assert.doesNotMatch(krun.soFar("stderr"), /of-the-workload|✗/);
  }));
