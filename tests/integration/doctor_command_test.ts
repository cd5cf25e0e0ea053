/** `cloud-run-mesh doctor` as a program: what it prints, how it ends, and that it does end. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { startAdmin } from "./admin_world.ts";
import { type DoctorWorld, NAMESPACE, SERVICE, startDoctorWorld } from "./doctor_world.ts";

const SECRETS = ["refresh-token-of-admin", "secret-of-gcloud", "token-of-admin", "ya29."];

async function run(world: DoctorWorld, ...args: string[]) {
  await using child = startAdmin(world.admin, "doctor", args);
  const end = await child.ended;
  for (const secret of SECRETS) assert(!`${end.stdout}${end.stderr}`.includes(secret), secret);
  return end;
}

Deno.test("doctor as a program", async (t) => {
  await using world = await startDoctorWorld();
  const { kubernetes, cloudRun } = world.admin;

  await t.step("in a good world: green, 0", async () => {
    const { code, stdout, stderr } = await run(world, "--service", SERVICE, "--namespace", NAMESPACE);
    assert.equal(code, 0, stdout + stderr);
    assert.match(
      stdout,
      /^doctor from outside the mesh: service web, namespace shop\naccount\n {2}✓ credentials {2,}\S/,
    );
    assert.match(stdout, /\n(\d+) pass, 0 warn, 0 fail, 0 skip\n$/);
    assert(!stdout.includes("\x1b"), "no colours where nobody sees them");
  });

  await t.step("a fault as JSON: 1; a general look leaves the service out, as YAML: 0", async () => {
    const undo = world.edit("rolebindings", NAMESPACE, "krun", () => {});
    const { permissions } = kubernetes.state;
    kubernetes.state.permissions = permissions.filter(({ resource }) => resource !== "serviceaccounts/token");
    try {
      const [failed, general] = await Promise.all([
        run(world, "--service", SERVICE, "--output", "json"), // the account k8s-shop@… says the namespace
        run(world, "--output", "yaml"),
      ]);
      assert.equal(failed.code, 1);
      const { checks, counts, namespace } = JSON.parse(failed.stdout);
      assert.equal(namespace, NAMESPACE);
      assert.deepEqual([counts.fail, counts.warn], [1, 0]);
      const wrong = checks.find(({ state }: { state: string }) => state === "fail");
      assert.deepEqual(wrong, {
        id: "namespace.binding",
        group: "namespace",
        title: "it is bound to the workload's Google account",
        state: "fail",
        seen: "not bound, the service runs as k8s-shop@demo-project.iam.gserviceaccount.com",
        fix: "cloud-run-mesh setup-namespace shop --service-account k8s-shop@demo-project.iam.gserviceaccount.com",
      });
      assert.equal(general.code, 0);
      const groups = new Set(parse(general.stdout).checks.map(({ group }: { group: string }) => group));
      assert(groups.has("gate") && !groups.has("service") && !groups.has("namespace"));
    } finally {
      kubernetes.state.permissions = permissions;
      undo();
    }
  });

  await t.step("wrong use: 2, and what is right", async () => {
    const wrong: [args: string[], words: RegExp][] = [
      [["--service", "Web_1"], /--service\n {2}got: "Web_1"/],
      [["web"], /unexpected argument 'web'/],
    ];
    await Promise.all(wrong.map(async ([args, words]) => {
      const { code, stdout, stderr } = await run(world, ...args);
      assert.equal(code, 2, args.join(" "));
      assert.match(stderr, words);
      assert.equal(stdout, "");
    }));
    await using inImage = startAdmin(world.admin, "krun", ["doctor", "--timeout", "soon"]);
    assert.equal((await inImage.ended).code, 2);
    assert.match(inImage.soFar("stderr"), /--timeout is "soon"/);
  });

  await t.step("an answer that repeats the token does not bring it out", async () => {
    const body = '{"kind": "Status", "message": "who is Bearer token-of-admin?"}';
    kubernetes.faults.add({ match: /version/, status: 400, body });
    try {
      const { code, stdout } = await run(world, "--service", SERVICE);
      assert.equal(code, 1);
      assert.match(stdout, /✗ reachable .*: 400 who is \[secret\]\?/);
    } finally {
      kubernetes.faults.clear();
    }
  });

  await t.step("nothing answers: it ends all the same, with the reasons", async () => {
    kubernetes.faults.add({ match: /./, action: "hang" });
    cloudRun.faults.add({ match: /./, action: "hang" });
    try {
      const began = performance.now();
      const report = await world.examine({ timeoutMs: 200 });
      assert(performance.now() - began < 2_500, `${performance.now() - began} ms`);
      const failed = report.checks.filter(({ state }) => state === "fail").map(({ id, seen }) => `${id}: ${seen}`);
      assert.deepEqual(failed, [
        "cluster.reachable: no answer within 200 ms",
        "service.exists: no answer within 200 ms",
      ]);
      assert.equal(report.checks.find(({ id }) => id === "gate.deployment")!.seen, "needs the cluster");

      const before = kubernetes.faults.requests.length;
      await using child = startAdmin(world.admin, "doctor", ["--service", SERVICE]);
      while (kubernetes.faults.requests.length === before) await new Promise((resolve) => setTimeout(resolve, 10));
      child.kill("SIGINT");
      assert.equal((await child.ended).code, 130);
    } finally {
      kubernetes.faults.clear();
      cloudRun.faults.clear();
    }
  });
});
