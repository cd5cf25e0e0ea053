import assert from "node:assert/strict";
import { type GoogleFacts, type NamespaceRecord, otherSetUp, readRecord, recordObject, recordOf } from "./record.ts";
import type { NamespaceSettings } from "./settings.ts";

const SETTINGS: NamespaceSettings = {
  namespace: "shop",
  serviceAccount: "default",
  revision: undefined,
  user: "a@p",
  google: { project: "p", email: "a@p", accountId: "a", grants: true },
};
const record = (isAccountMade: boolean, isRoleGranted: boolean): NamespaceRecord => ({
  user: "a@p",
  serviceAccount: "default",
  google: { project: "p", email: "a@p", isAccountMade, isRoleGranted },
});
const facts = (isAccountThere: boolean, hasRole: boolean): GoogleFacts => ({ isAccountThere, hasRole });

const CASES: [name: string, before: NamespaceRecord | undefined, facts: GoogleFacts, after: NamespaceRecord][] = [
  ["nothing there", undefined, facts(false, false), record(true, true)],
  ["all there by people", undefined, facts(true, true), record(false, false)],
  ["the account alone", undefined, facts(true, false), record(false, true)],
  ["meant and done", record(true, true), facts(true, true), record(true, true)],
  ["meant and not done", record(true, true), facts(false, false), record(true, true)],
  ["a person's role that a person took back", record(false, false), facts(true, false), record(false, true)],
];
for (const [name, before, seen, after] of CASES) {
  Deno.test(`record: ${name}`, () => {
    assert.deepEqual(recordOf(SETTINGS, before, seen), after);
    assert.deepEqual(readRecord(recordObject("shop", after)), after, "written and read");
  });
}

Deno.test("record: an account that was named is never made", () => {
  const named = { ...SETTINGS, google: { ...SETTINGS.google!, accountId: undefined } };
  assert.equal(recordOf(named, undefined, facts(false, true)).google!.isAccountMade, false);
});

Deno.test("record: off Google Cloud; none; half of one", () => {
  const elsewhere: NamespaceRecord = { user: "jane", serviceAccount: "app", google: undefined };
  assert.deepEqual(readRecord(recordObject("shop", elsewhere)), elsewhere);
  assert.equal(readRecord(undefined), undefined);
  assert.equal(
    readRecord({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x" }, data: { user: "a" } }),
    undefined,
  );
});

Deno.test("record: in what a set-up is another", () => {
  const then = record(true, true);
  assert.equal(otherSetUp(then, SETTINGS), undefined);
  assert.equal(otherSetUp(then, { ...SETTINGS, serviceAccount: "app" }), "Kubernetes service account default");
  assert.equal(otherSetUp(then, { ...SETTINGS, user: "b@p" }), "service account a@p");
  assert.equal(otherSetUp(then, { ...SETTINGS, user: "jane", google: undefined }), "project p");
});
