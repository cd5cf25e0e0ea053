import assert from "node:assert/strict";
import { refersTo } from "./users.ts";

const WEB = { name: "web", namespace: "prod" };
const object = (kind: string, spec: unknown, namespace = "prod") => ({
  apiVersion: "x",
  kind,
  metadata: { name: "x", namespace },
  spec,
});
const destination = (host: string) => ({ destination: { host } });

const CASES: [name: string, given: ReturnType<typeof object>, expected: boolean][] = [
  ["a host", object("VirtualService", { hosts: ["web"] }), true],
  ["a host in another namespace", object("VirtualService", { hosts: ["web"] }, "dev"), false],
  ["with the namespace", object("VirtualService", { hosts: ["web.prod"] }, "dev"), true],
  ["whole", object("VirtualService", { hosts: ["Web.prod.svc.cluster.local"] }, "dev"), true],
  ["another domain", object("VirtualService", { hosts: ["web.prod.svc.example.org"] }), false],
  ["another", object("VirtualService", { hosts: ["web2", "web.dev", "*.prod.svc.cluster.local"] }), false],
  ["a destination", object("VirtualService", { hosts: ["x"], http: [{ route: [destination("web")] }] }), true],
  ["of TCP", object("VirtualService", { tcp: [{ route: [destination("web.prod.svc")] }] }, "dev"), true],
  ["of TLS", object("VirtualService", { tls: [{ route: [destination("web")] }] }), true],
  ["a mirror", object("VirtualService", { http: [{ mirror: { host: "web" } }] }), true],
  ["of several mirrors", object("VirtualService", { http: [{ mirrors: [destination("web")] }] }), true],
  ["unreadable", object("VirtualService", { hosts: 7 }), false],
  ["a parent", object("HTTPRoute", { parentRefs: [{ group: "", kind: "Service", name: "web" }] }), true],
  ["a gateway of that name", object("HTTPRoute", { parentRefs: [{ name: "web" }] }), false],
  ["a backend", object("HTTPRoute", { rules: [{ backendRefs: [{ name: "web", port: 80 }] }] }), true],
  ["a backend elsewhere", object("HTTPRoute", { rules: [{ backendRefs: [{ name: "web" }] }] }, "dev"), false],
  [
    "a backend from elsewhere",
    object("HTTPRoute", { rules: [{ backendRefs: [{ name: "web", namespace: "prod" }] }] }, "dev"),
    true,
  ],
  ["a backend of another kind", object("HTTPRoute", { rules: [{ backendRefs: [{ kind: "X", name: "web" }] }] }), false],
  ["no rules", object("HTTPRoute", {}), false],
];
for (const [name, given, expected] of CASES) {
  Deno.test(`users: ${given.kind}, ${name}`, () => assert.equal(refersTo(given, WEB, "cluster.local"), expected));
}
