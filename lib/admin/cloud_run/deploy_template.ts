import { Problem } from "../../base/errors.ts";
import type { RunContainer, RunProbe, RunTemplate } from "../../gcp/mod.ts";
import type { ServicePort } from "../../registration/mod.ts";
import { namespaceOfAccount } from "../../settings/mod.ts";
import { TUNNEL_PORT, withVariables } from "./krun_container.ts";
import { appOf, krunOf } from "./mesh_template.ts";

/** A service with krun in its app's own image; what is left out stays as it is, or is Cloud Run's default. */
export interface DeployWish {
  image: string;
  namespace: string;
  /** Google account that it runs as. */
  serviceAccount: string;
  /** Kubernetes service account. @default "default" */
  kubeAccount?: string | undefined;
  /** As in the API: `vpcAccess` of a template. */
  vpcAccess?: Record<string, unknown> | undefined;
  env: Readonly<Record<string, string>>;
  /** krun's `PORT_<name>`. */
  ports: readonly ServicePort[];
  concurrency?: number | undefined;
  timeoutMs?: number | undefined;
  cpu?: string | undefined;
  memory?: string | undefined;
  minInstances?: number | undefined;
  maxInstances?: number | undefined;
  isGen1: boolean;
  /** Whether everybody may call it; left as it is without a word. */
  isOpen?: boolean | undefined;
}

/** A start joins the mesh before the app: more than Cloud Run's ten seconds by three, and seen within two seconds. */
export const STARTUP_PROBE = { periodSeconds: 2, timeoutSeconds: 1, failureThreshold: 120 };

/** Everything that krun needs of a service, laid over what is there. @throws {Problem} krun stands in a container of its own */
export function deployTemplate(before: RunTemplate | undefined, wish: DeployWish, what: string): RunTemplate {
  if (before && krunOf(before)) {
    const fix = "gcloud run services update, with --container of the app; or remove-service first";
    throw new Problem({ tried: what, got: "krun is there already, in a container of its own (add-service)", fix });
  }
  const app = before && appOf(before, what);
  const container = deployed(app ?? {}, wish);
  const { revision: _, ...kept } = before ?? {};
  const { minInstances, maxInstances } = wish;
  const scaling = {
    ...(minInstances === undefined ? {} : { minInstanceCount: minInstances }),
    ...(maxInstances === undefined ? {} : { maxInstanceCount: maxInstances }),
  };
  return {
    ...kept,
    serviceAccount: wish.serviceAccount,
    executionEnvironment: wish.isGen1 ? "EXECUTION_ENVIRONMENT_GEN1" : "EXECUTION_ENVIRONMENT_GEN2",
    containers: app ? before.containers!.map((other) => other === app ? container : other) : [container],
    ...(wish.vpcAccess ? { vpcAccess: wish.vpcAccess } : {}),
    ...(wish.timeoutMs === undefined ? {} : { timeout: `${wish.timeoutMs / 1_000}s` }),
    ...(wish.concurrency === undefined ? {} : { maxInstanceRequestConcurrency: wish.concurrency }),
    ...(Object.keys(scaling).length > 0 ? { scaling: { ...before?.scaling, ...scaling } } : {}),
  };
}

function deployed(before: RunContainer, wish: DeployWish): RunContainer {
  const { cpu, memory } = wish;
  const limits = { ...(cpu ? { cpu } : {}), ...(memory ? { memory } : {}) };
  const { resources } = before;
  const env = variablesOf(wish);
  return {
    ...before,
    image: wish.image,
    ...(before.env || Object.keys(env).length > 0 ? { env: withVariables(before.env, env) } : {}),
    ports: [{ name: "h2c", containerPort: TUNNEL_PORT }],
    resources: {
      ...resources,
      ...(Object.keys(limits).length > 0 ? { limits: { ...resources?.limits, ...limits } } : {}),
      cpuIdle: resources ? resources.cpuIdle ?? false : true,
      startupCpuBoost: true,
    },
    startupProbe: asksTunnel(before.startupProbe)
      ? before.startupProbe
      : { ...STARTUP_PROBE, tcpSocket: { port: TUNNEL_PORT } },
  };
}

/** Variables of krun and the app, which are one container's. */
export function variablesOf(
  { namespace, serviceAccount, kubeAccount = "default", ports, env }: DeployWish,
): Record<string, string> {
  return {
    ...(kubeAccount === "default" ? {} : { WORKLOAD_SERVICE_ACCOUNT: kubeAccount }),
    ...(namespaceOfAccount(serviceAccount) === namespace ? {} : { WORKLOAD_NAMESPACE: namespace }),
    ...Object.fromEntries(ports.map(({ name, port }) => [`PORT_${name}`, String(port)])),
    ...env,
  };
}

function asksTunnel(probe: RunProbe | undefined): boolean {
  const { httpGet, tcpSocket, grpc } = probe ?? {};
  return [httpGet, tcpSocket, grpc].some((action) => action?.port === TUNNEL_PORT);
}
