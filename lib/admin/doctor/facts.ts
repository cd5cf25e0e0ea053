import type { KubeClient, KubeObject } from "../../kube/mod.ts";
import type { Policy, RunService } from "../../gcp/mod.ts";
import type { Settings } from "../../settings/mod.ts";
import type { GateReport } from "../gate_reports.ts";
import type { ReviewedRight } from "./access_review.ts";
import type { TlsLook } from "./tls_look.ts";
import type { TcpLook } from "./tcp_look.ts";

/** Everything that checks decide by. What is `undefined` is known not to be there. */
export interface Facts {
  // Google Cloud
  credentials: { origin: string; account: string | undefined };
  token: { account: string | undefined };
  project: string;
  region: string;
  /** Of those that the commands ask, the ones that are switched on: `run.googleapis.com`. */
  apis: ReadonlySet<string>;
  labels: Readonly<Record<string, string>>;
  /** Of the project: what is granted there is granted on each service too. */
  projectPolicy: Policy;
  /** By how much clocks are ahead of this machine's, in milliseconds. */
  clocks: { google: number | undefined; cluster: number | undefined };

  // the cluster
  cluster: { kube: KubeClient; settings: Settings | undefined };
  version: { version: string; aheadMs: number | undefined };
  /** As the cluster calls who asks. */
  user: string;
  /** A text says why there is none to look at. */
  serverCertificate: TlsLook | string;
  /** When the client's own certificate ends, milliseconds since 1970. */
  clientCertificate: number | undefined;
  setupRights: readonly ReviewedRight[];
  registerRights: readonly ReviewedRight[];
  /** `undefined` where the workload's account is not known. */
  workloadRights: readonly ReviewedRight[] | undefined;

  // the namespace
  namespace: string;
  namespaceObject: KubeObject | undefined;
  /** Who the workload is to the cluster: the e-mail of its Google account, and its Kubernetes service account. */
  workload: { account: string | undefined; serviceAccount: string };
  serviceAccount: KubeObject | undefined;
  roles: readonly KubeObject[];
  roleBindings: readonly KubeObject[];
  /** Whether it has services that wait to be registered by themselves. */
  hasServicesToRegister: boolean;

  // what the mesh says of itself
  meshEnv: MeshEnvCopies;
  /** `root-cert.pem` of config map istio-ca-root-cert. */
  istioRoot: string | undefined;
  istiod: readonly KubeObject[];
  /** `networking.istio.io/v1` → plurals; none where the group is not served in that version. */
  istioResources: Readonly<Record<string, readonly string[]>>;
  /** `undefined` where its port is not open from here. */
  istiodTls: (TlsLook & { address: string; name: string }) | undefined;

  // the gate
  gateDeployment: KubeObject | undefined;
  gateServices: { internal: KubeObject | undefined; external: KubeObject | undefined };
  /** 15442 of the internal address. */
  tunnelPort: TcpLook;
  /** 15012 of the internal address. */
  gateIstiodPort: TcpLook;
  /** Of the control plane that mesh-env names. */
  istiodPort: TcpLook;
  /** 15012 of the external address. */
  externalPort: TcpLook;
  /** 8080 of the external address. */
  statusPort: TcpLook;
  gateReports: readonly PodReport[];
  gateAccount: GateAccount;
  gateAccountPolicy: Policy;
  names: readonly LookedUp[];

  // the Cloud Run service
  run: RunService | undefined;
  runPolicy: Policy;
  registration: Registered;

  // krun's container
  /** `undefined` where krun says nothing of itself. */
  krunReady: { status: number; text: string } | undefined;
  /** `undefined` where krun runs no Envoy. */
  proxyReady: { status: number; text: string } | undefined;
  tokenFile: TokenFile | undefined;
  certificates: readonly { subject: string; notAfter: number }[] | undefined;
  /** `undefined` for an app that listens on nothing. */
  appPort: { port: number; isOpen: boolean } | undefined;
}

/** `data` of the copies of mesh-env; the namespace's own wins. */
export interface MeshEnvCopies {
  own: Readonly<Record<string, string>> | undefined;
  system: Readonly<Record<string, string>> | undefined;
  /** Copies that this account may not read. */
  refused: readonly ("own" | "system")[];
}

/** What a replica of the gate says of itself. */
export interface PodReport extends GateReport {
  pod: string;
}

/** The Google account that the gate's ID tokens are of. */
export interface GateAccount {
  email: string | undefined;
  /** Variable of its Deployment that gives it credentials of another kind. */
  variable: string | undefined;
  /** `PROJECT.svc.id.goog[istio-system/hgate]` */
  member: string;
}

export interface LookedUp {
  name: string;
  /** What it is to this program. */
  use: string;
  addresses: readonly string[];
  /** Why it has none. */
  error?: string;
}

/** The objects that make a service one of the mesh's. */
export interface Registered {
  /** As a command knows it: of one of several regions, the name that they share. */
  name: string;
  service: KubeObject | undefined;
  entries: readonly KubeObject[];
  rule: KubeObject | undefined;
  peerAuthentication: KubeObject | undefined;
  sidecar: KubeObject | undefined;
}

/** The workload's token as a file, without itself. */
export interface TokenFile {
  path: string;
  /** `0o600` */
  mode: number;
  /** Milliseconds since 1970. */
  expiresAt: number | undefined;
}
