import assert from "node:assert/strict";
import type { Report } from "../../lib/admin/doctor/mod.ts";
import { doctorExitCode } from "../../lib/admin/doctor/mod.ts";
import { startHttpServer } from "../emulators/http_server.ts";
import { ADMIN } from "./admin_world.ts";
import { denied } from "./doctor_fault.ts";
import { CLUSTER_FAULTS } from "./doctor_faults_cluster.ts";
import { MESH_FAULTS } from "./doctor_faults_mesh.ts";
import { SERVICE_FAULTS } from "./doctor_faults_service.ts";
import { type DoctorWorld, startDoctorWorld } from "./doctor_world.ts";

let kept: DoctorWorld | undefined;
const world = async () => kept ??= await startDoctorWorld();

/** What is neither passed nor skipped. */
const troubles = ({ checks }: Report) =>
  Object.fromEntries(
    checks.filter(({ state }) => state === "warn" || state === "fail").map(({ id, state }) => [id, state]),
  );

Deno.test("doctor: in a good world all is green, and each check says what it saw", async () => {
  const report = await (await world()).examine();
  assert.deepEqual(report.checks.filter(({ state }) => state !== "pass"), []);
  assert.equal(report.counts.pass, report.checks.length);
  assert.equal(doctorExitCode(report), 0);
  const { seen } = report.checks.find(({ id }) => id === "rights.workload")!;
  assert.equal(seen, "both copies of mesh-env too"); // one of them by a group
  assert.equal(new Set(report.checks.map(({ id }) => id)).size, report.checks.length);
  for (const { id, seen, fix, title, group } of report.checks) {
    assert(seen && title && id.startsWith(`${group}.`), id);
    assert.equal(fix, undefined, id);
  }
});

for (const { name, plant, asked, found, says } of [...CLUSTER_FAULTS, ...MESH_FAULTS, ...SERVICE_FAULTS]) {
  Deno.test(`doctor finds: ${name}`, async () => {
    const there = await world();
    const undo = await plant(there);
    try {
      const report = await there.examine(asked?.(there));
      assert.deepEqual(troubles(report), found);
      for (const id of Object.keys(found)) {
        const { seen, fix } = report.checks.find((check) => check.id === id)!;
        assert(seen && fix, `${id} says "${seen}", to do: ${fix}`);
      }
      const [first] = report.checks.filter(({ id }) => id in found);
      if (says) assert.match(`${first!.seen} ${first!.fix}`, says);
      assert.equal(doctorExitCode(report), Object.values(found).includes("fail") ? 1 : 0);
    } finally {
      await undo();
    }
  });
}

Deno.test("doctor: in the gate's own pod it asks that gate, and no proxy of the API server", async () => {
  const there = await world();
  const { admin, gateAnswer } = there;
  await using gate = await startHttpServer({ handle: () => ({ status: 200, body: gateAnswer() }) });
  const undo = denied(ADMIN, "get", "pods/proxy")(there) as () => void;
  try {
    const report = await there.examine({
      environment: { ...admin.environment, KUBERNETES_SERVICE_HOST: "10.0.0.1", HGATE_ENVOY_DIR: "/run/hgate" },
      local: { gateStatus: gate.port, envoyAdmin: 9, proxyReady: 9 },
      lookUp: (name) => Promise.resolve([`address of ${name}`]),
    });
    assert.deepEqual(troubles(report), {});
    assert.equal(report.place, "hgate");
    const seen = (id: string) => report.checks.find((check) => check.id === id)?.seen;
    assert.equal(seen("gate.status"), "1 ready, 2 routes");
    assert.match(seen("names.resolve")!, /istiod\.istio-system\.svc/);
    assert.equal(seen("rights.setup"), undefined);
    const elsewhere = await there.examine();
    assert.match(elsewhere.checks.find(({ id }) => id === "gate.status")!.fix!, /hgate routes$/);
  } finally {
    undo();
  }
});

Deno.test("doctor: whatever is in the cluster, no token is in the report", async () => {
  const there = await world();
  const token = there.admin.accessTokens.issue("somebody@example.com");
  const words = `answered 401 to Bearer ${token}\n  at line 2`;
  there.gateReport.problems.push({ object: "Service other/web", problem: words });
  try {
    const report = await there.examine();
    const { seen } = report.checks.find(({ id }) => id === "gate.problems")!;
    assert.match(seen, /^Service other\/web: answered 401 to Bearer \[token\] at line 2$/);
    assert(!JSON.stringify(report).includes(token));
  } finally {
    there.gateReport.problems.pop();
  }
});

Deno.test("doctor: what was planted is gone again", async () => {
  const report = await (await world()).examine();
  assert.deepEqual(troubles(report), {});
  await kept![Symbol.asyncDispose]();
  kept = undefined;
});
