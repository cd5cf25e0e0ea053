import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createAuthority } from "./certificates.ts";

Deno.test("certificates: a leaf is signed by its authority and says what was asked for", () => {
  const authority = createAuthority("root");
  const leaf = authority.issue({
    commonName: "server",
    organizations: ["mesh"],
    subjectAltNames: ["*.a.run.app", "127.0.0.1", "spiffe://td/ns/demo/sa/default"],
    lifetimeSeconds: 60,
  });
  const certificate = new X509Certificate(leaf.certificatePem);
  const root = new X509Certificate(authority.certificatePem);
  assert.ok(root.ca && !certificate.ca);
  assert.ok(certificate.verify(root.publicKey));
  assert.ok(certificate.checkPrivateKey(createPrivateKey(leaf.privateKeyPem)));
  assert.equal(
    certificate.subjectAltName,
    "DNS:*.a.run.app, IP Address:127.0.0.1, URI:spiffe://td/ns/demo/sa/default",
  );
  assert.match(certificate.subject, /O=mesh\nCN=server/);
  const leftMs = Date.parse(certificate.validTo) - Date.now();
  assert.ok(leftMs > 50_000 && leftMs <= 60_000, String(leftMs));
});

Deno.test("certificates: another authority of the same name does not verify, an expired one has ended", () => {
  const leaf = createAuthority("root").issue({ commonName: "server", lifetimeSeconds: -10 });
  const certificate = new X509Certificate(leaf.certificatePem);
  assert.equal(certificate.verify(new X509Certificate(createAuthority("root").certificatePem).publicKey), false);
  assert.ok(Date.parse(certificate.validTo) < Date.now());
  assert.ok(Date.parse(certificate.validFrom) < Date.parse(certificate.validTo));
});

Deno.test("certificates: an intermediate is an authority of its root's, and signs leaves the root does not", () => {
  const root = createAuthority("root");
  const intermediate = root.issueAuthority("intermediate");
  const leaf = new X509Certificate(intermediate.issue({ commonName: "server" }).certificatePem);
  const [above, top] = [intermediate, root].map(({ certificatePem }) => new X509Certificate(certificatePem));
  assert.ok(above!.ca && above!.verify(top!.publicKey) && above!.checkIssued(top!));
  assert.ok(leaf.verify(above!.publicKey) && leaf.checkIssued(above!));
  assert.ok(!leaf.verify(top!.publicKey));
});

Deno.test("certificates: names beyond ASCII, long ones and years after 2049 are read as they were written", () => {
  const commonName = "Prüfstand – 試験", organizations = ["ä".repeat(64), "x".repeat(300)];
  const leaf = createAuthority(commonName).issue({ commonName, organizations, lifetimeSeconds: 40 * 365 * 86_400 });
  const certificate = new X509Certificate(leaf.certificatePem);
  assert.equal(certificate.subject, [...organizations.map((name) => `O=${name}`), `CN=${commonName}`].join("\n"));
  assert.equal(certificate.issuer, `CN=${commonName}`);
  assert.equal(
    new Date(certificate.validTo).getUTCFullYear(),
    new Date(Date.now() + 40 * 365 * 864e5).getUTCFullYear(),
  );
});
