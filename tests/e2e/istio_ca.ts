import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import type { Cluster } from "./cluster.ts";
import { NAMESPACE } from "./objects.ts";
import { eventually } from "./process.ts";

const ISTIO = "istio-system";
/** Label of what we plug in. */
const OURS = ["app.kubernetes.io/managed-by", "krun-e2e"] as const;

/** What istiod signs the certificates of workloads with, all PEM. */
export interface SigningCa {
  certificate: string;
  privateKey: string;
  /** From the authority up to below the root; empty where the authority is the root. */
  chain: string;
}

/** A workload's certificate and the roots it trusts others by, as its Envoy has them just now. */
export interface HeldCertificates {
  leaf: X509Certificate;
  roots: string;
}

/**
 * istiod's own authority, as it keeps it where none is plugged in.
 * @returns nothing where the cluster's administrator has plugged one in, whose business it is then
 */
export async function ownCa(cluster: Cluster): Promise<SigningCa & { root: string } | undefined> {
  const { items: [plugged] } = await cluster.get<{ items: { metadata: { labels?: Record<string, string> } }[] }>(
    "-n",
    ISTIO,
    "secrets",
    "--field-selector=metadata.name=cacerts",
  );
  if (plugged && plugged.metadata.labels?.[OURS[0]] !== OURS[1]) return undefined;
  const { data } = await cluster.get<{ data: Record<string, string> }>("-n", ISTIO, "secret", "istio-ca-secret");
  const [certificate, privateKey] = ["ca-cert.pem", "ca-key.pem"].map((key) =>
    Buffer.from(data[key]!, "base64").toString()
  );
  if (plugged) await unplug(cluster, certificate!); // of a run that was killed
  return { certificate: certificate!, privateKey: privateKey!, chain: "", root: certificate! };
}

/**
 * Plugs in an authority (istio.io, "Plug in CA Certificates") and waits until the namespace is told of the roots.
 * @param roots what all of the mesh shall trust
 */
export async function plugIn(cluster: Cluster, ca: SigningCa, roots: string): Promise<void> {
  await cluster.apply({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "cacerts", namespace: ISTIO, labels: { [OURS[0]]: OURS[1] } },
    stringData: {
      "ca-cert.pem": ca.certificate,
      "ca-key.pem": ca.privateKey,
      "cert-chain.pem": ca.chain,
      "root-cert.pem": roots,
    },
  });
  await restartIstiod(cluster, roots);
}

/** The end of that: istiod signs with its own authority again. */
export async function unplug(cluster: Cluster, roots: string): Promise<void> {
  await cluster.kubectl("-n", ISTIO, "delete", "secret", "cacerts", "--ignore-not-found");
  await restartIstiod(cluster, roots);
}

async function restartIstiod(cluster: Cluster, roots: string): Promise<void> {
  await cluster.kubectl("-n", ISTIO, "rollout", "restart", "deployment/istiod");
  await cluster.kubectl("-n", ISTIO, "rollout", "status", "deployment/istiod", "--timeout=60s");
  for (const namespace of [ISTIO, NAMESPACE]) {
    await untilData(cluster, namespace, "istio-ca-root-cert", "root-cert.pem", roots);
  }
}

/** Waits until a value of a config map is these certificates. */
export async function untilData(cluster: Cluster, namespace: string, name: string, key: string, roots: string) {
  await eventually(`the roots in ${namespace}/${name}`, async () => {
    const { data } = await cluster.get<{ data: Record<string, string> }>("-n", namespace, "configmap", name);
    return sameCertificates(data[key] ?? "", roots) || undefined;
  }, 60_000);
}

/** Reads an Envoy's `/config_dump?resource=dynamic_active_secrets`. @throws where it has no certificate yet */
export function heldCertificates(dump: string): HeldCertificates {
  const { configs } = JSON.parse(dump) as { configs: { name: string; secret: EnvoySecret }[] };
  const secret = (name: string) => configs.find((config) => config.name === name)?.secret;
  const pem = (bytes: string | undefined) => Buffer.from(bytes ?? "", "base64").toString();
  return {
    leaf: new X509Certificate(pem(secret("default")?.tls_certificate?.certificate_chain.inline_bytes)),
    roots: pem(secret("ROOTCA")?.validation_context?.trusted_ca.inline_bytes),
  };
}

interface EnvoySecret {
  tls_certificate?: { certificate_chain: { inline_bytes: string } };
  validation_context?: { trusted_ca: { inline_bytes: string } };
}

/** Whether two bundles have the same certificates, in whatever order and however often. */
export function sameCertificates(one: string, other: string): boolean {
  return String(fingerprints(one)) === String(fingerprints(other));
}

function fingerprints(pem: string): string[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return [...new Set(blocks.map((block) => new X509Certificate(block).fingerprint256))].sort();
}
