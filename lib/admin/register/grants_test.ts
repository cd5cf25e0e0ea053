import assert from "node:assert/strict";
import { memberOf } from "../gate_account.ts";
import { grantsText, isForAll, readGrants } from "./grants.ts";

const GATE = "serviceAccount:hgate@my-project.iam.gserviceaccount.com";
const WEB = { project: "my-project", region: "us-central1", service: "web" };

Deno.test("grants: what is written is read again", () => {
  const grants = [
    { cloudRun: WEB, member: GATE },
    {
      cloudRun: { ...WEB, region: "europe-west1" },
      member:
        "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p.svc.id.goog/subject/ns/a/sa/b",
    },
  ];
  assert.deepEqual(readGrants(grantsText(grants)), grants);
  assert.equal(grantsText([]), undefined);
});

Deno.test("grants: what is of another form is passed over", () => {
  for (
    const text of [
      undefined,
      "",
      "true",
      `web=${GATE}`,
      `projects/my-project/locations/us-central1/services/web=`,
      `projects/my-project/locations/us-central1/services/../x=${GATE}`,
      `projects/my-project/locations/us-central1/services/web ${GATE}`,
    ]
  ) assert.deepEqual(readGrants(text), [], String(text));
  const good = `projects/my-project/locations/us-central1/services/web=${GATE}`;
  assert.deepEqual(readGrants(`nonsense, ${good}`), [{ cloudRun: WEB, member: GATE }]);
});

Deno.test("grants: open to all", () => {
  const policy = (...members: string[]) => ({ bindings: [{ role: "roles/run.invoker", members }] });
  assert(isForAll(policy("allUsers")) && isForAll(policy("allAuthenticatedUsers", GATE)));
  assert(!isForAll(policy(GATE)) && !isForAll({ bindings: [{ role: "roles/run.viewer", members: ["allUsers"] }] }));
  const condition = { title: "t" };
  assert(!isForAll({ bindings: [{ role: "roles/run.invoker", members: ["allUsers"], condition }] }));
});

Deno.test("grants: the gate's account is an e-mail or IAM's own word", () => {
  assert.equal(memberOf("hgate@my-project.iam.gserviceaccount.com"), GATE);
  for (const member of [GATE, "principal://iam.googleapis.com/x"]) assert.equal(memberOf(member), member);
  for (const bad of ["", "hgate", "allUsers", "domain:example.com", "a@b@c", "a b@c", "user:a,b@c"]) {
    assert.throws(() => memberOf(bad), /--gate-account/, bad);
  }
});
