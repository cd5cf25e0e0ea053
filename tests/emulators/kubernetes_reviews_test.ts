import assert from "node:assert/strict";
import { startKubernetes } from "./kubernetes.ts";

const USER = "k8s-shop@p.iam.gserviceaccount.com";

Deno.test("access reviews: for oneself, for others by a right, and who one is", async () => {
  await using server = await startKubernetes({
    tokens: { "the-token-of-shop": USER, "the-token-of-admin": "admin" },
    permissions: [
      { subject: USER, verb: "get", resource: "configmaps", namespace: "shop", name: "mesh-env" },
      { subject: "group:system:authenticated", verb: "list", resource: "services" },
      { subject: "admin" },
    ],
  });
  using client = Deno.createHttpClient({ caCerts: [server.authority.certificatePem] });
  const ask = async (path: string, token: string, kind: string, spec: object = {}) => {
    const [group = ""] = path.split("/");
    const answer = await fetch(`${server.origin}/apis/${path}`, {
      method: "POST",
      body: JSON.stringify({ apiVersion: `${group}/v1`, kind, spec }),
      headers: token ? { authorization: `Bearer ${token}` } : {},
      client,
    });
    const body = await answer.json();
    return `${answer.status} ${body.message ?? JSON.stringify(body.status.allowed ?? body.status.userInfo.username)}`;
  };
  const SELF = "authorization.k8s.io/v1/selfsubjectaccessreviews";
  const OTHER = "authorization.k8s.io/v1/subjectaccessreviews";
  const get = (name: string) => ({
    resourceAttributes: { verb: "get", resource: "configmaps", namespace: "shop", name },
  });
  const list = { resourceAttributes: { verb: "list", resource: "services", namespace: "shop" } };
  const self = (spec: object) => ask(SELF, "the-token-of-shop", "SelfSubjectAccessReview", spec);
  assert.equal(await self(get("mesh-env")), "201 true");
  assert.equal(await self(get("other")), "201 false");
  assert.equal(await self(list), "201 true");
  assert.match(await self({}), /^422 .*resourceAttributes/);
  assert.match(await ask(SELF, "the-token-of-shop", "Other"), /^400/);
  assert.match(await ask(SELF, "", "SelfSubjectAccessReview", list), /^403/);
  const other = (token: string, spec: object) => ask(OTHER, token, "SubjectAccessReview", spec);
  assert.equal(await other("the-token-of-admin", { user: USER, ...get("mesh-env") }), "201 true");
  assert.equal(await other("the-token-of-admin", { user: USER, ...list }), "201 false");
  const groups = ["system:authenticated"];
  assert.equal(await other("the-token-of-admin", { user: USER, groups, ...list }), "201 true");
  assert.match(await other("the-token-of-admin", list), /^422 .*spec.user/);
  assert.match(
    await other("the-token-of-shop", { user: "admin", ...list }),
    /^403 subjectaccessreviews.authorization.k8s.io is forbidden/,
  );
  const who = "authentication.k8s.io/v1/selfsubjectreviews";
  assert.equal(await ask(who, "the-token-of-shop", "SelfSubjectReview"), `201 ${JSON.stringify(USER)}`);
});

Deno.test("kinds by group and version, and a pod's port by the API server", async () => {
  await using server = await startKubernetes({
    tokens: { "the-token-of-admin": "admin" },
    permissions: [{ subject: "admin" }],
  });
  using client = Deno.createHttpClient({ caCerts: [server.authority.certificatePem] });
  const get = async (path: string) => {
    const answer = await fetch(server.origin + path, {
      headers: { authorization: "Bearer the-token-of-admin" },
      client,
    });
    return { status: answer.status, body: await answer.json() };
  };
  const names = async (path: string) =>
    ((await get(path)).body.resources as { name: string }[] | undefined)?.map(({ name }) => name);
  assert((await names("/apis/networking.istio.io/v1"))?.includes("workloadentries"));
  assert.deepEqual(await names("/apis/security.istio.io/v1beta1"), ["peerauthentications"]);
  server.state.missingKinds.add("peerauthentications.security.istio.io");
  assert.equal((await get("/apis/security.istio.io/v1")).status, 404);
  const path = "/api/v1/namespaces/istio-system/pods/hgate-1:8080/proxy/debug/routes";
  assert.equal((await get(path)).status, 404);
  server.objects.put("pods", {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "hgate-1", namespace: "istio-system" },
  });
  assert.equal((await get(path)).status, 503);
  server.state.podPorts["istio-system/hgate-1:8080"] = (target) => ({ status: 200, body: JSON.stringify({ target }) });
  assert.deepEqual(await get(path), { status: 200, body: { target: "/debug/routes" } });
});
