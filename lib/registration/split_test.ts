import assert from "node:assert/strict";
import { httpRoutes, isHttp, regionalName, type Split, virtualService } from "./split.ts";

const SPLIT: Split = {
  name: "web",
  namespace: "prod",
  ports: [{ name: "http", port: 8080 }, { name: "grpc-api", port: 8079 }],
  to: [{ name: "web-us-central1", weight: 75 }, { name: "web-europe-west1", weight: 25 }],
};
const LABELS = { "mesh-cloudrun": "web", "app.kubernetes.io/managed-by": "cloud-run-mesh" };

Deno.test("split: a VirtualService leads each port to the same port of the regions, by weight", () => {
  const destination = (service: string, number: number) => ({
    host: `${service}.prod.svc.cluster.local`,
    port: { number },
  });
  assert.deepEqual(virtualService(SPLIT), {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "web", namespace: "prod", labels: LABELS },
    spec: {
      hosts: ["web.prod.svc.cluster.local"],
      http: [8080, 8079].map((port) => ({
        match: [{ port }],
        route: [
          { destination: destination("web-us-central1", port), weight: 75 },
          { destination: destination("web-europe-west1", port), weight: 25 },
        ],
      })),
    },
  });
});

Deno.test("split: what is not HTTP is split by connections", () => {
  const { spec } = virtualService({ ...SPLIT, ports: [{ name: "tcp-db", port: 5432 }], clusterDomain: "example.org" });
  assert.deepEqual(spec, {
    hosts: ["web.prod.svc.example.org"],
    tcp: [{
      match: [{ port: 5432 }],
      route: [
        { destination: { host: "web-us-central1.prod.svc.example.org", port: { number: 5432 } }, weight: 75 },
        { destination: { host: "web-europe-west1.prod.svc.example.org", port: { number: 5432 } }, weight: 25 },
      ],
    }],
  });
});

Deno.test("split: an HTTPRoute a port", () => {
  const routes = httpRoutes(SPLIT);
  assert.deepEqual(routes.map(({ metadata }) => metadata), [
    { name: "web-http", namespace: "prod", labels: LABELS },
    { name: "web-grpc-api", namespace: "prod", labels: LABELS },
  ]);
  assert.deepEqual(routes[1]!["spec"], {
    parentRefs: [{ group: "", kind: "Service", name: "web", port: 8079 }],
    rules: [{
      backendRefs: [
        { group: "", kind: "Service", name: "web-us-central1", port: 8079, weight: 75 },
        { group: "", kind: "Service", name: "web-europe-west1", port: 8079, weight: 25 },
      ],
    }],
  });
});

Deno.test("split: words of ports and names of regions", () => {
  for (const name of ["http", "http-web", "http2", "grpc", "grpc-web", "grpc-web-x"]) {
    assert(isHttp({ name, port: 1 }), name);
  }
  for (const name of ["tcp", "https", "httpx", "mysql", "tls-http"]) assert(!isHttp({ name, port: 1 }), name);
  assert.equal(regionalName("web", "us-central1"), "web-us-central1");
});
