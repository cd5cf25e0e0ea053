import { Problem } from "../base/errors.ts";
import type { Settings } from "../settings/mod.ts";

/** How the workload reaches its control plane and proves who it is. */
export interface ControlPlane {
  /** `host:port` of XDS. */
  xdsAddress: string;
  caAddress: string;
  caProvider: "Citadel" | "GoogleCA";
  /** Name to expect in istiod's certificate where the address is not that name. */
  istiodName: string | undefined;
  trustDomain: string;
  /** Audience of the token that XDS and CA accept. */
  audience: string;
  /** Id of the cluster whose API server issued the token: istiod asks that one to review it. */
  clusterId: string;
  managed: boolean;
}

const MANAGED_XDS = "meshconfig.googleapis.com:443";
const MANAGED_CA = "meshca.googleapis.com:443";
const ISTIOD_NAME = "istiod.istio-system.svc";
const XDS_PORT = 15_012;

/**
 * Chooses control plane and CA from the settings: an explicit `XDS_ADDR`; else the managed one where there is a tenant; else istiod
 * behind the gate's internal (then external) address, whose certificate carries istiod's own name.
 * @throws {Problem} nothing names a control plane
 */
export function controlPlaneOf(settings: Settings): ControlPlane {
  const tenant = settings.meshTenant && settings.meshTenant !== "-" ? settings.meshTenant : undefined;
  const ossIstio = settings.ossIstio ?? isOss(settings, tenant);
  const trustDomain = settings.trustDomain ??
    (ossIstio || !settings.projectId ? "cluster.local" : `${settings.projectId}.svc.id.goog`);
  const identity = { trustDomain, audience: ossIstio ? "istio-ca" : trustDomain };

  if (tenant && !settings.xdsAddress) {
    return {
      ...identity,
      xdsAddress: MANAGED_XDS,
      caAddress: MANAGED_CA,
      caProvider: "GoogleCA",
      istiodName: undefined,
      clusterId: settings.clusterId ??
        `cn-${settings.projectId}-${settings.clusterLocation}-${settings.clusterName}`,
      managed: true,
    };
  }
  const gate = settings.internalGate ?? settings.externalGate;
  const xdsAddress = settings.xdsAddress ?? (gate && withPort(gate, XDS_PORT));
  if (!xdsAddress) {
    throw new Problem({
      tried: `find the mesh's control plane for namespace ${settings.namespace}`,
      got:
        "no config map mesh-env (in the namespace or in istio-system) that names it by IMCON_ADDR, MCON_ADDR or MESH_TENANT, " +
        "and no XDS_ADDR",
      fix: "install the gate (kubectl apply -k manifests/), or set XDS_ADDR=host:15012",
    });
  }
  const host = hostOf(xdsAddress);
  return {
    ...identity,
    xdsAddress,
    caAddress: xdsAddress,
    caProvider: "Citadel",
    istiodName: /^istiod[\w-]*\.[\w-]+\.svc/.test(host) ? undefined : ISTIOD_NAME,
    clusterId: settings.clusterId ?? "Kubernetes",
    managed: false,
  };
}

/**
 * The roots to trust for XDS and CA, all `CAROOT_*` in one PEM; the managed ones are in the system's own roots.
 * @throws {Problem} none is given
 */
export function rootsOf(settings: Settings, controlPlane: ControlPlane): string {
  const roots = Object.entries(settings.caRoots).sort(([a], [b]) => a < b ? -1 : 1).map(([, pem]) => pem.trim());
  if (roots.length === 0 && !controlPlane.managed) {
    throw new Problem({
      tried: `find the root certificate of ${controlPlane.xdsAddress}`,
      got: "no CAROOT_ISTIOD in mesh-env or the environment",
      fix: "kubectl -n istio-system get configmap istio-ca-root-cert -o jsonpath='{.data.root-cert\\.pem}', " +
        "and put it into mesh-env as CAROOT_ISTIOD",
    });
  }
  return [...new Set(roots)].join("\n") + (roots.length > 0 ? "\n" : "");
}

/** Without a word on it: open source Istio, unless the trust domain or the tenant is Google's. */
function isOss(settings: Settings, tenant: string | undefined): boolean {
  if (settings.trustDomain) return !settings.trustDomain.endsWith(".svc.id.goog");
  return !tenant && !settings.projectId;
}

function withPort(host: string, port: number): string {
  return host.includes(":") ? `[${host.replace(/^\[|\]$/g, "")}]:${port}` : `${host}:${port}`;
}

function hostOf(address: string): string {
  return address.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}
