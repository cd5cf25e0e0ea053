/**
 * A certificate authority for the emulators, and the certificates it signs (RFC 5280): ECDSA on P-256 with SHA-256, since
 * an RSA key takes some 150 ms to make and one on P-256 less than one. Forge encodes them; keys and signatures are
 * node:crypto's, since forge's certificates know RSA only.
 */
import {
  createHash,
  createPublicKey,
  createSign,
  generateKeyPair,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import type { Buffer } from "node:buffer";
import { isIP } from "node:net";
import { promisify } from "node:util";
import forge from "node-forge";

const { asn1 } = forge;
type Asn1 = forge.asn1.Asn1;

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
  /** Names, IPv4 addresses and URIs (`spiffe://…`) for the SAN extension; the kind is read from the form. @default [] */
  subjectAltNames?: readonly string[];
  /** @default "server" */
  usage?: "server" | "client";
  /** Seconds from now until it expires; negative makes one that has expired. @default 86400 */
  lifetimeSeconds?: number;
}

/** A root, self-signed, or an intermediate authority: signs leaf certificates. */
export interface CertificateAuthority extends CertifiedKey {
  issue(request: CertificateRequest): CertifiedKey;
  /** An authority under this one. */
  issueAuthority(commonName: string): CertificateAuthority;
}

/** Clocks of two machines differ: a certificate is valid this long before it was made. */
const BACKDATED_SECONDS = 300;

/** A root with the given common name and a new key, valid for ten years. */
export function createAuthority(commonName: string): CertificateAuthority {
  return authority(commonName, undefined);
}

/** @param parent none for a root */
function authority(
  commonName: string,
  parent: Pick<Signing, "issuer" | "issuerKeyPem" | "issuerPublicKeyPem"> | undefined,
): CertificateAuthority {
  const own = ecKeyPair();
  const subject = name(commonName, []);
  const signs = { issuer: subject, issuerKeyPem: own.privateKeyPem, issuerPublicKeyPem: own.publicKeyPem };
  return {
    certificatePem: sign({
      ...parent ?? signs,
      publicKeyPem: own.publicKeyPem,
      subject,
      lifetimeSeconds: 10 * 365 * 86_400,
      extensions: [
        extension(Extension.BASIC_CONSTRAINTS, sequence(TRUE), "critical"),
        extension(Extension.KEY_USAGE, CERTIFICATES_AND_LISTS, "critical"),
        extension(Extension.SUBJECT_KEY_ID, octets(keyId(own.publicKeyPem))),
        ...(parent ? [authorityKey(parent.issuerPublicKeyPem)] : []),
      ],
    }),
    privateKeyPem: own.privateKeyPem,
    issue: (request) => {
      const leaf = ecKeyPair();
      const certificatePem = sign({
        ...signs,
        publicKeyPem: leaf.publicKeyPem,
        subject: name(request.commonName, request.organizations ?? []),
        lifetimeSeconds: request.lifetimeSeconds ?? 86_400,
        extensions: leafExtensions(request, own.publicKeyPem),
      });
      return { certificatePem, privateKeyPem: leaf.privateKeyPem };
    },
    issueAuthority: (commonName) => authority(commonName, signs),
  };
}

/** A key pair as PEM: SPKI and PKCS#8. */
export interface KeyPair {
  publicKeyPem: string;
  privateKeyPem: string;
}

/** A new RSA 2048 key pair; tokens of Google and of clusters are signed with such. */
export function rsaKeyPair(): KeyPair {
  return inPem(generateKeyPairSync("rsa", { modulusLength: 2048 }));
}

/** The same on another thread: several are made at the same time. */
export async function rsaKeyPairInBackground(): Promise<KeyPair> {
  return inPem(await promisify(generateKeyPair)("rsa", { modulusLength: 2048 }));
}

function ecKeyPair(): KeyPair {
  return inPem(generateKeyPairSync("ec", { namedCurve: "P-256" }));
}

function inPem({ publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject }): KeyPair {
  return {
    publicKeyPem: String(publicKey.export({ type: "spki", format: "pem" })),
    privateKeyPem: String(privateKey.export({ type: "pkcs8", format: "pem" })),
  };
}

/** Forge takes and gives bytes as strings with a character for each. */
const byteString = (...bytes: number[]): string => String.fromCharCode(...bytes);

const element = (type: forge.asn1.Type, value: string | Asn1[]): Asn1 =>
  asn1.create(asn1.Class.UNIVERSAL, type, Array.isArray(value), value);
const sequence = (...parts: Asn1[]): Asn1 => element(asn1.Type.SEQUENCE, parts);
const oid = (dotted: string): Asn1 => element(asn1.Type.OID, asn1.oidToDer(dotted).getBytes());
const octets = (bytes: string): Asn1 => element(asn1.Type.OCTETSTRING, bytes);
const bits = (bytes: string, unusedBits = 0): Asn1 => element(asn1.Type.BITSTRING, byteString(unusedBits) + bytes);
const TRUE = element(asn1.Type.BOOLEAN, byteString(0xff));

/** `[number]` around other elements, or in place of the type of a value. */
const tagged = (number: number, value: string | Asn1[]): Asn1 =>
  asn1.create(asn1.Class.CONTEXT_SPECIFIC, number, Array.isArray(value), value);

/** With two digits for the year until 2049, as RFC 5280 section 4.1.2.5 wants. */
const time = (date: Date): Asn1 =>
  date.getUTCFullYear() < 2050
    ? element(asn1.Type.UTCTIME, asn1.dateToUtcTime(date))
    : element(asn1.Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date));

const Extension = {
  SUBJECT_KEY_ID: "2.5.29.14",
  KEY_USAGE: "2.5.29.15",
  SUBJECT_ALT_NAME: "2.5.29.17",
  BASIC_CONSTRAINTS: "2.5.29.19",
  AUTHORITY_KEY_ID: "2.5.29.35",
  EXTENDED_KEY_USAGE: "2.5.29.37",
} as const;
const COMMON_NAME = "2.5.4.3", ORGANIZATION = "2.5.4.10";
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1", CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
const ECDSA_WITH_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));
/** Key usages count bits from the left: keyCertSign is bit 5, cRLSign bit 6, digitalSignature bit 0. */
const CERTIFICATES_AND_LISTS = bits(byteString(0b00000110), 1);
const SIGNATURES = bits(byteString(0b10000000), 7);

function name(commonName: string, organizations: readonly string[]): Asn1 {
  const part = (type: string, value: string) =>
    element(asn1.Type.SET, [sequence(oid(type), element(asn1.Type.UTF8, forge.util.encodeUtf8(value)))]);
  return sequence(...organizations.map((value) => part(ORGANIZATION, value)), part(COMMON_NAME, commonName));
}

function extension(type: string, value: Asn1, critical?: "critical"): Asn1 {
  return sequence(oid(type), ...(critical ? [TRUE] : []), octets(asn1.toDer(value).getBytes()));
}

function authorityKey(issuerPublicKeyPem: string): Asn1 {
  return extension(Extension.AUTHORITY_KEY_ID, sequence(tagged(0, keyId(issuerPublicKeyPem))));
}

function leafExtensions(request: CertificateRequest, issuerPublicKeyPem: string): Asn1[] {
  const names = (request.subjectAltNames ?? []).map(subjectAltName);
  const usage = request.usage === "client" ? CLIENT_AUTH : SERVER_AUTH;
  return [
    extension(Extension.BASIC_CONSTRAINTS, sequence(), "critical"),
    extension(Extension.KEY_USAGE, SIGNATURES, "critical"),
    extension(Extension.EXTENDED_KEY_USAGE, sequence(oid(usage))),
    authorityKey(issuerPublicKeyPem),
    ...(names.length > 0 ? [extension(Extension.SUBJECT_ALT_NAME, sequence(...names))] : []),
  ];
}

/** GeneralName tags of RFC 5280 section 4.2.1.6: 2 = DNS, 6 = URI, 7 = IP address. */
function subjectAltName(text: string): Asn1 {
  if (isIP(text) === 4) return tagged(7, byteString(...text.split(".").map(Number)));
  return tagged(text.includes("://") ? 6 : 2, forge.util.encodeUtf8(text));
}

/** RFC 5280 section 4.2.1.2, method 1: of the key's bits, which for P-256 are the last 65 bytes. */
function keyId(publicKeyPem: string): string {
  return createHash("sha1").update(publicKeyDer(publicKeyPem).subarray(-65)).digest("latin1");
}

function publicKeyDer(publicKeyPem: string): Buffer {
  return createPublicKey(publicKeyPem).export({ type: "spki", format: "der" });
}

interface Signing {
  publicKeyPem: string;
  subject: Asn1;
  issuer: Asn1;
  issuerKeyPem: string;
  issuerPublicKeyPem: string;
  lifetimeSeconds: number;
  extensions: Asn1[];
}

function sign(signing: Signing): string {
  const expiresMs = Date.now() + signing.lifetimeSeconds * 1000;
  const notBefore = new Date(Math.min(Date.now(), expiresMs) - BACKDATED_SECONDS * 1000);
  const content = sequence(
    tagged(0, [element(asn1.Type.INTEGER, byteString(2))]), // version 3
    // A first byte below 0x80 keeps the serial number positive, as RFC 5280 wants; not 00, which DER would cut.
    element(asn1.Type.INTEGER, byteString(0x4d, ...randomBytes(15))),
    ECDSA_WITH_SHA256,
    signing.issuer,
    sequence(time(notBefore), time(new Date(expiresMs))),
    signing.subject,
    asn1.fromDer(publicKeyDer(signing.publicKeyPem).toString("latin1")),
    tagged(3, [sequence(...signing.extensions)]),
  );
  const signature = createSign("sha256").update(asn1.toDer(content).getBytes(), "latin1").sign(signing.issuerKeyPem);
  const certificate = sequence(content, ECDSA_WITH_SHA256, bits(signature.toString("latin1")));
  const pem = forge.pem.encode({ type: "CERTIFICATE", body: asn1.toDer(certificate).getBytes() });
  return pem.replaceAll("\r\n", "\n"); // as openssl writes it, and a ConfigMap holds it
}
