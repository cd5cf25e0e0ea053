import assert from "node:assert/strict";
import { isAccountId } from "../../gcp/mod.ts";
import { namespaceOfAccount } from "../../settings/mod.ts";
import { accountIdOf, namespaceSettings, type NamespaceWords, variablesOf } from "./settings.ts";

const words = (given: Partial<NamespaceWords>): NamespaceWords => ({
  namespace: "shop",
  project: "p1",
  account: undefined,
  user: undefined,
  serviceAccount: undefined,
  revision: undefined,
  grants: true,
  ...given,
});

const IDS: [namespace: string, id: string][] = [
  ["ab", "k8s-ab"],
  ["shop", "k8s-shop"],
  ["1-x", "k8s-1-x"],
  ["a".repeat(26), `k8s-${"a".repeat(26)}`],
  ["a", "k8s-a-ca978112"],
  ["a".repeat(27), `k8s-${"a".repeat(17)}-cc0616e6`],
  ["team-payments-production-eu", "k8s-team-payments-pro-96577713"],
  ["abcdefghijklmnop-very-long-name", "k8s-abcdefghijklmnop-9744c6a0"],
];
for (const [namespace, id] of IDS) {
  Deno.test(`account of namespace ${namespace}`, () => {
    const got = accountIdOf(namespace);
    assert(isAccountId(got), got);
    assert.equal(got, id);
    const isRead = namespaceOfAccount(`${got}@p1.iam.gserviceaccount.com`) === namespace;
    assert.equal(isRead, id === `k8s-${namespace}`);
  });
}

Deno.test("accounts of long namespaces that begin alike are told apart", () => {
  const beginning = "a-rather-long-namespace-of-";
  assert.notEqual(accountIdOf(`${beginning}one`), accountIdOf(`${beginning}two`));
});

Deno.test("settings: the account of the namespace, one that is named, or a user", () => {
  const own = namespaceSettings(words({}));
  assert.deepEqual(own, {
    namespace: "shop",
    serviceAccount: "default",
    revision: undefined,
    user: "k8s-shop@p1.iam.gserviceaccount.com",
    google: { project: "p1", email: "k8s-shop@p1.iam.gserviceaccount.com", accountId: "k8s-shop", grants: true },
  });
  const named = namespaceSettings(words({ account: "web@p2.iam.gserviceaccount.com", grants: false }));
  assert.deepEqual(named.google, {
    project: "p1",
    email: "web@p2.iam.gserviceaccount.com",
    accountId: undefined,
    grants: false,
  });
  const elsewhere = namespaceSettings(words({ user: "jane", project: undefined, serviceAccount: "app" }));
  assert.deepEqual([elsewhere.user, elsewhere.google, elsewhere.serviceAccount], ["jane", undefined, "app"]);
  const old = namespaceSettings(words({ project: "example.com:p1" }));
  assert.equal(old.user, "k8s-shop@p1.example.com.iam.gserviceaccount.com");
});

const WRONG: [words: Partial<NamespaceWords>, says: RegExp][] = [
  [{ namespace: "Shop" }, /no name of a namespace/],
  [{ namespace: "a".repeat(64) }, /63 at most/],
  [{ serviceAccount: "a_b" }, /--ksa a_b/],
  [{ revision: "1.24" }, /--mesh-revision 1\.24/],
  [{ user: "jane", account: "a@b.c" }, /one of them/],
  [{ account: "web" }, /no e-mail address/],
  [{ project: undefined }, /--user NAME/],
];
for (const [given, says] of WRONG) {
  Deno.test(`settings: wrong: ${JSON.stringify(given)}`, () => {
    assert.throws(
      () => namespaceSettings(words(given)),
      (error: Error) => error.name === "UsageError" && says.test(error.message),
    );
  });
}

const VARIABLES: [words: Partial<NamespaceWords>, variables: Record<string, string>][] = [
  [{}, {}],
  [{ serviceAccount: "app" }, { WORKLOAD_SERVICE_ACCOUNT: "app" }],
  [{ namespace: "a" }, { WORKLOAD_NAMESPACE: "a" }],
  [{ account: "k8s-shop@other.iam.gserviceaccount.com" }, {}],
  [{ account: "web@p1.iam.gserviceaccount.com" }, { WORKLOAD_NAMESPACE: "shop" }],
  [{ user: "jane", project: undefined }, { WORKLOAD_NAMESPACE: "shop" }],
];
for (const [given, variables] of VARIABLES) {
  Deno.test(`settings: krun has to be told with ${JSON.stringify(given)}`, () => {
    assert.deepEqual(variablesOf(namespaceSettings(words(given))), variables);
  });
}
