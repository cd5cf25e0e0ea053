import { Problem, reasonOf } from "../../base/errors.ts";
import { HttpError } from "../../base/http.ts";
import { pause } from "../../base/pause.ts";
import { apply, get, type KubeClient, type KubeObject, listAll, remove, RESOURCES } from "../../kube/mod.ts";
import { isHttp, MANAGED_BY, MANAGED_BY_US, type ServicePort } from "../../registration/mod.ts";
import { GATE_PODS } from "../gate_reports.ts";
import { type Check, notLookedAt } from "../step.ts";
import * as v from "valibot";

export interface MeshCheckOptions {
  /** Of the registered service. */
  name: string;
  namespace: string;
  port: ServicePort;
  gateNamespace: string;
  /** Of the pod. @default the gate's own, which the cluster has */
  image?: string | undefined;
  timeoutMs: number;
  /** Between two looks. @default {500} */
  everyMs?: number | undefined;
}

/** The container that asks. */
const ASKS = "ask";
const SIDECAR = "istio-proxy";

const Container = v.looseObject({ name: v.string(), image: v.optional(v.string()) });
const PodSpec = v.object({
  containers: v.array(Container),
  initContainers: v.optional(v.array(Container), []),
});
const State = v.object({
  waiting: v.optional(v.object({ reason: v.optional(v.string()), message: v.optional(v.string()) })),
  terminated: v.optional(v.object({ exitCode: v.number(), message: v.optional(v.string()) })),
});
const PodStatus = v.object({
  containerStatuses: v.optional(v.array(v.looseObject({ name: v.string(), state: v.optional(State, {}) })), []),
});

/**
 * A request from the mesh comes back: a pod of the service's namespace, with the sidecar that all pods have there, asks it by its name in the
 * mesh. The pod goes when it has spoken. Where no such pod can be had it says so and passes.
 */
export function meshAnswers(kube: KubeClient, options: MeshCheckOptions): Check {
  const { name, namespace, port } = options;
  const url = `http://${name}.${namespace}:${port.port}/`;
  return {
    subject: `request from a pod in ${namespace} to ${url}`,
    async check(signal, progress) {
      if (!isHttp(port)) return notLookedAt(`port ${port.name} is not HTTP`);
      const image = options.image ?? await gateImage(kube, options.gateNamespace, signal);
      if (!image) return notLookedAt(`no pod of the gate in ${options.gateNamespace}, whose image would ask`);
      const wanted = podOf(options, image, url);
      await clear(kube, wanted, signal);
      let made: KubeObject;
      try {
        made = await apply(kube, wanted, { signal });
      } catch (error) {
        if (!(error instanceof HttpError)) throw error;
        return notLookedAt(reasonOf(error));
      }
      try {
        if (!hasSidecar(made)) return notLookedAt(`a pod in ${namespace} gets no sidecar, and is not in the mesh`);
        return await said(kube, made, { ...options, url }, signal, progress);
      } finally {
        await clear(kube, made, AbortSignal.timeout(10_000)).catch(() => {}); // a later run clears it
      }
    },
  };
}

async function gateImage(kube: KubeClient, namespace: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { items } = await listAll(kube, { resource: RESOURCES.Pod, namespace, labelSelector: GATE_PODS }, {
      signal,
    });
    const specs = items.map((pod) => v.safeParse(PodSpec, pod["spec"])).filter(({ success }) => success);
    const containers = specs.flatMap(({ output }) => (output as v.InferOutput<typeof PodSpec>).containers);
    return containers.find(({ name }) => name === "hgate")?.image;
  } catch (error) {
    if (error instanceof HttpError && (error.status === 403 || error.status === 404)) return undefined;
    throw error;
  }
}

function podOf({ name, namespace }: MeshCheckOptions, image: string, url: string): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `mesh-check-${name}`.slice(0, 63).replace(/-+$/, ""),
      namespace,
      labels: { [MANAGED_BY]: MANAGED_BY_US, app: "mesh-check", "sidecar.istio.io/inject": "true" },
      annotations: { "proxy.istio.io/config": JSON.stringify({ holdApplicationUntilProxyStarts: true }) },
    },
    spec: {
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 1,
      containers: [{
        name: ASKS,
        image,
        command: ["/usr/local/bin/hgate", "ask", url],
        env: [{ name: "TERMINATION_LOG", value: "/dev/termination-log" }],
        resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "256Mi" } },
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 65_532, // not the sidecar's 1337, whose requests are not captured
          allowPrivilegeEscalation: false,
          capabilities: { drop: ["ALL"] },
          seccompProfile: { type: "RuntimeDefault" },
        },
      }],
    },
  };
}

/** Also as a native sidecar, which is an init container. */
function hasSidecar(pod: KubeObject): boolean {
  const spec = v.safeParse(PodSpec, pod["spec"]);
  return spec.success &&
    [...spec.output.containers, ...spec.output.initContainers].some(({ name }) => name === SIDECAR);
}

/** Its last words. @throws {Problem} there was no answer */
async function said(
  kube: KubeClient,
  { metadata: { name, namespace } }: KubeObject,
  { url, timeoutMs, everyMs = 500 }: MeshCheckOptions & { url: string },
  signal: AbortSignal,
  progress: (text: string) => void,
): Promise<string> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const pod = await get(kube, RESOURCES.Pod, namespace, name, signal);
    if (!pod) return notLookedAt(`pod ${name} was taken away`);
    const status = v.safeParse(PodStatus, pod["status"] ?? {});
    const states = status.success ? status.output.containerStatuses : [];
    const { terminated, waiting } = states.find((container) => container.name === ASKS)?.state ?? {};
    if (terminated) {
      const words = terminated.message?.trim() || `it ended with ${terminated.exitCode}`;
      if (terminated.exitCode === 0) return `it answers ${words}`;
      const fix = "cloud-run-mesh doctor, with --service and --namespace";
      throw new Problem({ tried: `ask ${url} from a pod in ${namespace}`, got: words, fix });
    }
    if (/^(?:ErrImagePull|ImagePullBackOff|InvalidImageName|CreateContainerConfigError)$/.test(waiting?.reason ?? "")) {
      return notLookedAt(`the pod does not start: ${waiting!.message ?? waiting!.reason}`);
    }
    if (performance.now() + everyMs > until) {
      return notLookedAt(`pod ${name} has not run after ${Math.round(timeoutMs / 1_000)} s`);
    }
    progress(`pod ${name}: ${waiting?.reason ?? "is on its way"}`);
    await pause(everyMs, signal);
  }
}

/** A pod of that name that this program made goes. */
async function clear(
  kube: KubeClient,
  { metadata: { name, namespace } }: KubeObject,
  signal: AbortSignal,
): Promise<void> {
  const before = await get(kube, RESOURCES.Pod, namespace, name, signal);
  if (before?.metadata.labels?.[MANAGED_BY] !== MANAGED_BY_US) return;
  // Its status changes all the time: not bound to the version that was seen.
  const { resourceVersion: _, ...metadata } = before.metadata;
  await remove(kube, { ...before, metadata }, signal);
  for (let looks = 0; looks < 20; looks++) {
    if (!await get(kube, RESOURCES.Pod, namespace, name, signal)) return;
    await pause(250, signal);
  }
}
