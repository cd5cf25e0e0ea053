import assert from "node:assert/strict";
import { HttpError } from "../base/http.ts";
import { editPolicy, hasMember, type Policy, withMember, withoutMember } from "./policy.ts";

const A = "serviceAccount:a@p.iam.gserviceaccount.com";
const B = "user:b@example.com";
const R = "roles/run.invoker";
const condition = { title: "for a while", expression: "request.time < timestamp('2030-01-01T00:00:00Z')" };

Deno.test("policy: a member is added to the binding without condition, and everything else stays as it is", () => {
  const policy: Policy = {
    version: 3,
    etag: "e",
    auditConfigs: [{ service: "allServices" }],
    bindings: [{ role: R, members: [A], condition }, { role: "roles/viewer", members: [B] }],
  };
  assert.equal(hasMember(policy, R, A), false, "one with a condition is another grant");
  const added = withMember(policy, R, A);
  assert.deepEqual(added, { ...policy, bindings: [...policy.bindings, { role: R, members: [A] }] });
  assert.equal(withMember(added, R, A), added, "nothing to do is the same policy");
  assert.deepEqual(withMember(added, R, B).bindings[2], { role: R, members: [A, B] });
  assert.deepEqual(withoutMember(added, R, A), policy, "and back");
  assert.deepEqual(withoutMember(withMember(added, R, B), R, A).bindings[2], { role: R, members: [B] });
  assert.equal(withoutMember(policy, R, A), policy);
});

Deno.test("policy: a lost race is read and changed again; another error is not", async () => {
  let policy: Policy = { etag: "1", bindings: [] };
  const writes: Policy[] = [];
  const fails: (Error | undefined)[] = [conflict(), conflict(), undefined];
  const store = {
    of: "project p",
    read: () => Promise.resolve(policy),
    write(next: Policy) {
      writes.push(next);
      const error = fails.shift();
      if (!error) return Promise.resolve(void (policy = next));
      policy = withMember(
        { ...policy, etag: `${Number(policy.etag) + 1}` },
        "roles/viewer",
        `user:${writes.length}@x.y`,
      );
      return Promise.reject(error);
    },
  };
  await editPolicy(store, (now) => withMember(now, R, A));
  assert.deepEqual(writes.map(({ etag, version }) => [etag, version]), [["1", 3], ["2", 3], ["3", 3]]);
  assert.deepEqual(policy.bindings, [
    { role: "roles/viewer", members: ["user:1@x.y", "user:2@x.y"] },
    { role: R, members: [A] },
  ]);
  await editPolicy(store, (now) => withMember(now, R, A));
  assert.equal(writes.length, 3, "nothing to do is no write");
  fails.push(new HttpError({ tried: "write", got: "403" }, 403, "", undefined));
  await assert.rejects(editPolicy(store, (now) => withMember(now, R, B)), { status: 403 });
  assert.equal(writes.length, 4);
});

function conflict(): HttpError {
  return new HttpError({ tried: "write", got: "409 ABORTED" }, 409, "", undefined);
}
