/**
 * A certificate authority for the emulators, and the certificates it signs.
 *
 * RSA 2048 with SHA-256: node-forge signs RSA only, and what the emulators stand for (a GKE cluster's CA, Cloud Run's
 * front end) presents RSA as well. Keys come from node:crypto, which makes them some hundred times faster.
 */
// @ts-types="@types/node-forge"
import forge from "node-forge";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { isIP } from "node:net";

/** A certificate with its private key, both PEM (PKCS#8 for the key). */
export interface CertifiedKey {
  certificatePem: string;
  privateKeyPem: string;
}

/** What a certificate is to say. */
export interface CertificateRequest {
  commonName: string;
  /** Subject O; a Kubernetes API server reads a client's groups from here. @default [] */
  organizations?: readonly string[];
  /** Names, IP addresses and URIs (`spiffe://…`) for the SAN extension; the kind is read from the form. @default [] */
  subjectAltNames?: readonly string[];
  /** @default "server" */
  usage?: "server" | "client";
  /** Seconds from now until it expires; negative makes one that has expired. @default 86400 */
  lifetimeSeconds?: number;
}

/** A self-signed root that signs leaf certificates. */
export interface CertificateAuthority extends CertifiedKey {
  issue(request: CertificateRequest): CertifiedKey;
}

/** Clocks of two machines differ: a certificate is valid this long before it was made. */
const BACKDATED_SECONDS = 300;

/** One leaf key for all certificates of the process: making an RSA key is most of an emulator's start-up time. */
let leaf: KeyPair | undefined;

/** A root with the given common name, valid for ten years; with a new key unless one is given. */
export function createAuthority(commonName: string, root: KeyPair = rsaKeyPair()): CertificateAuthority {
  const subject = subjectOf(commonName, []);
  const certificatePem = sign({
    publicKeyPem: root.publicKeyPem,
    subject,
    issuer: subject,
    issuerKeyPem: root.privateKeyPem,
    lifetimeSeconds: 10 * 365 * 86_400,
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
      { name: "subjectKeyIdentifier" },
    ],
  });
  return {
    certificatePem,
    privateKeyPem: root.privateKeyPem,
    issue: (request) => {
      leaf ??= rsaKeyPair();
      return {
        privateKeyPem: leaf.privateKeyPem,
        certificatePem: sign({
          publicKeyPem: leaf.publicKeyPem,
          subject: subjectOf(request.commonName, request.organizations ?? []),
          issuer: subject,
          issuerKeyPem: root.privateKeyPem,
          lifetimeSeconds: request.lifetimeSeconds ?? 86_400,
          extensions: leafExtensions(request),
        }),
      };
    },
  };
}

/** An RSA key pair as PEM: SPKI and PKCS#8. */
export interface KeyPair {
  publicKeyPem: string;
  privateKeyPem: string;
}

/** A new RSA 2048 key pair. */
export function rsaKeyPair(): KeyPair {
  const pair = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return { publicKeyPem: pair.publicKey, privateKeyPem: pair.privateKey };
}

function subjectOf(commonName: string, organizations: readonly string[]): forge.pki.CertificateField[] {
  // forge's own choice, PrintableString, has neither `@` nor `*`: Go refuses to read such a certificate.
  const valueTagClass = forge.asn1.Type.UTF8 as unknown as forge.asn1.Class;
  return [
    ...organizations.map((value) => ({ name: "organizationName", value, valueTagClass })),
    { name: "commonName", value: commonName, valueTagClass },
  ];
}

function leafExtensions(request: CertificateRequest): object[] {
  const names = (request.subjectAltNames ?? []).map(subjectAltName);
  return [
    { name: "basicConstraints", cA: false, critical: true },
    { name: "keyUsage", digitalSignature: true, keyEncipherment: true, critical: true },
    { name: "extKeyUsage", ...(request.usage === "client" ? { clientAuth: true } : { serverAuth: true }) },
    ...(names.length > 0 ? [{ name: "subjectAltName", altNames: names }] : []),
  ];
}

/** GeneralName tags of RFC 5280 section 4.2.1.6: 2 = DNS, 6 = URI, 7 = IP address. */
function subjectAltName(name: string): { type: number; value?: string; ip?: string } {
  if (isIP(name) !== 0) return { type: 7, ip: name };
  return name.includes("://") ? { type: 6, value: name } : { type: 2, value: name };
}

interface Signing {
  publicKeyPem: string;
  subject: forge.pki.CertificateField[];
  issuer: forge.pki.CertificateField[];
  issuerKeyPem: string;
  lifetimeSeconds: number;
  extensions: object[];
}

function sign(signing: Signing): string {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(signing.publicKeyPem);
  // A first byte below 0x80 keeps the serial number positive, as RFC 5280 wants; not 00, which DER would cut.
  certificate.serialNumber = "4d" + randomBytes(15).toString("hex");
  const expiresMs = Date.now() + signing.lifetimeSeconds * 1000;
  certificate.validity.notBefore = new Date(Math.min(Date.now(), expiresMs) - BACKDATED_SECONDS * 1000);
  certificate.validity.notAfter = new Date(expiresMs);
  certificate.setSubject(signing.subject);
  certificate.setIssuer(signing.issuer);
  certificate.setExtensions(signing.extensions);
  certificate.sign(forge.pki.privateKeyFromPem(signing.issuerKeyPem), forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate);
}
