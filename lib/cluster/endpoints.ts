import { decodeBase64 } from "../base/base64.ts";
import { Problem } from "../base/errors.ts";
import type { GkeCluster } from "../gcp/mod.ts";

/** One way to a cluster's API server. */
export interface Endpoint {
  kind: "public address" | "private address" | "DNS endpoint";
  server: string;
  /** PEM; the DNS endpoint has a certificate that the system's roots sign. */
  ca: string | undefined;
}

/**
 * The ways that a cluster offers, the likeliest first. A cluster whose public address is off is reached by its private
 * address (from its own network) or by its DNS endpoint (from anywhere that IAM lets in).
 */
export function endpointsOf(cluster: GkeCluster): Endpoint[] {
  const encoded = cluster.masterAuth.clusterCaCertificate;
  const ca = encoded ? caOf(encoded) : undefined;
  const { privateEndpoint, enablePrivateEndpoint } = cluster.privateClusterConfig;
  const { endpoint: dnsEndpoint, allowExternalTraffic } = cluster.controlPlaneEndpointsConfig.dnsEndpointConfig;
  const byAddress = (kind: Endpoint["kind"], address: string): Endpoint => ({ kind, server: urlOf(address), ca });

  const found: Endpoint[] = [];
  if (cluster.endpoint && !enablePrivateEndpoint) found.push(byAddress("public address", cluster.endpoint));
  if (privateEndpoint) found.push(byAddress("private address", privateEndpoint));
  else if (cluster.endpoint && enablePrivateEndpoint) found.push(byAddress("private address", cluster.endpoint));
  if (dnsEndpoint && allowExternalTraffic !== false) {
    found.push({ kind: "DNS endpoint", server: urlOf(dnsEndpoint), ca: undefined });
  }
  return found;
}

/** @throws {Problem} what the API gives is not a certificate */
function caOf(encoded: string): string {
  let pem = "";
  try {
    pem = decodeBase64(encoded);
  } catch { /* said below */ }
  if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
  throw new Problem({
    tried: "read the CA of a GKE cluster",
    got: "no PEM certificate in masterAuth.clusterCaCertificate",
  });
}

/** Addresses come bare, e.g. `34.1.2.3`; IPv6 needs brackets. */
function urlOf(address: string): string {
  return `https://${address.includes(":") && address.split(":").length > 2 ? `[${address}]` : address}`;
}
