import assert from "node:assert/strict";
import { connect } from "node:http2";
import { verifySignature } from "./json_web_token.ts";
import { startWorld } from "./world.ts";

Deno.test("world: what krun does at its start, from nothing but the environment", async () => {
  await using world = await startWorld({ projectLabels: { "mesh-namespace": "demo" } });
  const { environment } = world;
  const metadata = async (path: string) => {
    const url = `http://${environment.GCE_METADATA_HOST}/computeMetadata/v1/${path}`;
    return await (await fetch(url, { headers: { "metadata-flavor": "Google" } })).text();
  };
  const project = await metadata("project/project-id");
  const { access_token } = JSON.parse(await metadata("instance/service-accounts/default/token"));
  const headers = { authorization: `Bearer ${access_token}` };

  const projects = environment.CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER;
  const { labels } = await (await fetch(`${projects}v3/projects/${project}`, { headers })).json();
  assert.deepEqual(labels, { "mesh-namespace": "demo" });

  const gke = environment.CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER;
  const { clusters } = await (await fetch(`${gke}v1/projects/${project}/locations/-/clusters`, { headers })).json();
  const [cluster] = clusters;
  assert.deepEqual([cluster.name, cluster.resourceLabels], ["istio-demo", { mesh_id: "proj-1234567890" }]);

  using client = Deno.createHttpClient({ caCerts: [atob(cluster.masterAuth.clusterCaCertificate)] });
  const api = `https://${cluster.endpoint}/api/v1/namespaces`;
  const map = await (await fetch(`${api}/istio-system/configmaps/mesh-env`, { client, headers })).json();
  assert.equal(map.data.TRUST_DOMAIN, "demo-project.svc.id.goog");
  assert.equal(map.data.CAROOT_ISTIOD, world.meshAuthority.certificatePem);
  const post = { method: "POST", body: JSON.stringify({ spec: { audiences: [map.data.TRUST_DOMAIN] } }) };
  const token = await fetch(`${api}/demo/serviceaccounts/default/token`, { client, headers, ...post });
  assert.equal(token.status, 201);
  const claims = verifySignature((await token.json()).status.token, world.kubernetes.signer.jwks);
  assert.equal(claims?.iss, cluster.selfLink);
  const forbidden = await fetch(`${api}/other/serviceaccounts/default/token`, { client, headers, ...post });
  assert.match((await forbidden.json()).message, new RegExp(`User "${world.metadata.state.email}" cannot create`));
});

Deno.test("world: an ID token of the metadata server opens the front end", async () => {
  await using container = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => new Response("hi"));
  await using world = await startWorld({ services: { hello: { port: container.addr.port } } });
  const path = "instance/service-accounts/default/identity?audience=https://hello.a.run.app&format=full";
  const answer = await fetch(`${world.metadata.origin}/computeMetadata/v1/${path}`, {
    headers: { "metadata-flavor": "Google" },
  });
  const authorization = `Bearer ${await answer.text()}`;
  const ca = world.publicAuthority.certificatePem;
  const session = connect(`https://${world.frontEnd.host}`, { ca, servername: "hello.a.run.app" });
  const stream = session.request({ ":path": "/", ":scheme": "https", ":authority": "hello.a.run.app", authorization });
  const status = new Promise((resolve) => stream.on("response", (headers) => resolve(headers[":status"])));
  stream.resume();
  assert.equal(await status, 200);
  await new Promise<void>((resolve) => session.close(resolve));
  assert.equal(world.frontEnd.faults.requests[0]?.user, world.metadata.state.email);
});
