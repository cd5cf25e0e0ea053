import { annotation, type KubeObject, loadBalancerAddress } from "../../../kube/mod.ts";
import {
  drainableSeconds,
  GATE_ANNOTATION,
  KEEP_URL_ANNOTATION,
  REGISTERED_BY_ANNOTATION,
  URL_ANNOTATION,
} from "../../../registration/mod.ts";
import { type About, check } from "../check.ts";
import type { Registered } from "../facts.ts";
import { fail, pass, skip, type Verdict, warn } from "../finding.ts";
import { listAt, numberAt, textAt, valueAt } from "../spec.ts";

const TUNNEL_PORT = 15_003;
const GATE_PORT = 15_442;
const SERVICE = "registration.service";

const isFor = ({ service }: About) => service !== undefined;

/** The command that writes it anew; its flags are the whole wish, so those that it was registered with belong to it. */
function registerCommand({ service }: About, namespace: string, { name, service: object }: Registered): string {
  const other = name === service ? "" : ` --service ${service}`;
  const again = object && annotation(object, REGISTERED_BY_ANNOTATION)
    ? ", and the flags that it was registered with"
    : "";
  return `cloud-run-mesh register-service ${name} --namespace ${namespace}${other}${again}`;
}

/** An object beside the Service: it is there, and as it has to be. */
function beside(
  id: string,
  title: string,
  kind: "rule" | "peerAuthentication" | "sidecar",
  wrongOf: (object: KubeObject) => string | undefined,
) {
  return check(id, title, {
    needs: ["registration", "namespace"],
    after: [SERVICE],
    isFor,
    decide({ registration, namespace }, about) {
      const object = registration[kind];
      const wrong = object ? wrongOf(object) : "there is none";
      return wrong ? fail(wrong, registerCommand(about, namespace, registration)) : pass(object!.metadata.name);
    },
  });
}

export const REGISTRATION = [
  check(SERVICE, "a Service of the mesh stands for it", {
    needs: ["registration", "namespace"],
    owns: ["registration"],
    after: ["namespace.exists", "service.exists"],
    mend: "kubectl get services -l mesh-cloudrun",
    isFor,
    decide({ registration, namespace }, about) {
      const { service } = registration;
      const fix = registerCommand(about, namespace, registration);
      if (!service) return fail(`no Service ${about.service} in ${namespace}`, fix);
      const url = annotation(service, URL_ANNOTATION);
      return url ? pass(`${service.metadata.name}: ${url}`) : fail(`Service ${service.metadata.name} says no URL`, fix);
    },
  }),
  check("registration.url", "its URL is one of the service's", {
    needs: ["registration", "run", "namespace"],
    after: [SERVICE],
    isFor,
    decide({ registration, run, namespace }, about) {
      const { service } = registration;
      const url = annotation(service!, URL_ANNOTATION)!;
      if (run!.urls.includes(url)) return pass(url);
      if (annotation(service!, KEEP_URL_ANNOTATION) === "true") return pass(`${url}, given by hand`);
      if (run!.audiences.includes(url)) return pass(`${url}, one of its audiences`);
      return fail(
        `${url}, the service has ${run!.urls.join(", ") || "none"}`,
        registerCommand(about, namespace, registration),
      );
    },
  }),
  check("registration.entry", "its endpoint is the gate", {
    needs: ["registration", "namespace"],
    wants: ["gateServices"],
    after: [SERVICE, "gate.internal-address"],
    isFor,
    decide({ registration, namespace, gateServices }, about) {
      const { service, entries } = registration;
      const address = annotation(service!, GATE_ANNOTATION) ?? loadBalancerAddress(gateServices?.internal);
      const wrong = entryFault(entries, address);
      return wrong
        ? fail(wrong, registerCommand(about, namespace, registration))
        : pass(textAt(entries[0], "spec", "address")!);
    },
  }),
  beside("registration.destination-rule", "callers speak mTLS to it", "rule", (rule) => {
    const mode = textAt(rule, "spec", "trafficPolicy", "tls", "mode");
    return mode === "ISTIO_MUTUAL" ? undefined : `its tls mode is ${mode ?? "not set"}, not ISTIO_MUTUAL`;
  }),
  beside("registration.peer-authentication", "it takes nothing else", "peerAuthentication", (policy) => {
    const mode = textAt(policy, "spec", "portLevelMtls", String(TUNNEL_PORT), "mode");
    return mode === "STRICT" ? undefined : `port ${TUNNEL_PORT} is ${mode ?? "not set"}, not STRICT`;
  }),
  beside("registration.sidecar", "its proxy has the inbound port", "sidecar", (sidecar) => {
    const ingress = listAt(sidecar, "spec", "ingress").find((one) => numberAt(one, "port", "number") === TUNNEL_PORT);
    if (!ingress) return `no ingress on port ${TUNNEL_PORT}`;
    const [bind, endpoint] = [textAt(ingress, "bind"), textAt(ingress, "defaultEndpoint")];
    if (bind !== "127.0.0.1") return `port ${TUNNEL_PORT} is bound to ${bind ?? "every address"}, not to 127.0.0.1`;
    return endpoint?.startsWith("127.0.0.1:") ? undefined : `it leads to ${endpoint ?? "nowhere"}, not to the app`;
  }),
  check("registration.timeout", "connections end before the service's own timeout", {
    needs: ["registration", "run", "namespace"],
    after: [SERVICE, "registration.destination-rule"],
    isFor,
    decide({ registration, run, namespace }, about) {
      const duration = textAt(
        registration.rule,
        "spec",
        "trafficPolicy",
        "connectionPool",
        "tcp",
        "maxConnectionDuration",
      );
      return timeoutVerdict(duration, run!.timeoutMs, registerCommand(about, namespace, registration));
    },
  }),
  check("registration.streams", "a tunnel takes no more requests than an instance", {
    needs: ["registration", "run", "namespace"],
    after: [SERVICE, "registration.destination-rule"],
    isFor,
    decide({ registration, run, namespace }, about) {
      const { concurrency } = run!;
      const streams = numberAt(
        registration.rule,
        "spec",
        "trafficPolicy",
        "connectionPool",
        "http",
        "maxConcurrentStreams",
      );
      const fix = registerCommand(about, namespace, registration);
      if (streams === undefined) return warn(`no maxConcurrentStreams; an instance takes ${concurrency}`, fix);
      return streams > concurrency
        ? warn(`${streams}, an instance takes ${concurrency}`, fix)
        : pass(`${streams} of ${concurrency}`);
    },
  }),
  check("registration.route", "the gate leads to it", {
    needs: ["registration", "gateReports", "namespace"],
    after: [SERVICE, "registration.url", "gate.deployment", "gate.status"],
    isFor,
    decide({ registration, gateReports, namespace }, about) {
      const { service } = registration;
      const { name } = service!.metadata;
      const key = `${namespace}/${name}`;
      const fix = registerCommand(about, namespace, registration);
      for (const { pod, routes, problems } of gateReports) {
        const problem = problems.find(({ object }) => object.split(" ")[1] === key);
        if (problem) return fail(`${pod}: ${problem.problem}`, fix);
        const route = routes.find(({ kind, service }) => kind === "tunnel" && service === key);
        if (!route) return fail(`${pod} has no route to ${key}`, fix);
        const url = annotation(service!, URL_ANNOTATION)!;
        if (!route.to.startsWith(`${url}/`)) return fail(`${pod} leads to ${route.to}, not to ${url}`, fix);
      }
      const [first] = gateReports;
      return first ? pass(`by ${gateReports.map(({ pod }) => pod).join(", ")}`) : skip("no replica was asked");
    },
  }),
];

function entryFault(entries: readonly KubeObject[], address: string | undefined): string | undefined {
  if (entries.length === 0) return "no WorkloadEntry";
  for (const entry of entries) {
    const { name } = entry.metadata;
    const own = textAt(entry, "spec", "address");
    if (address !== undefined && own !== address) return `${name} has ${own ?? "no address"}, the gate ${address}`;
    const ports = Object.entries(valueAt(entry, "spec", "ports") ?? {});
    const wrong = ports.find(([, port]) => port !== GATE_PORT);
    if (ports.length === 0) return `${name} has no ports`;
    if (wrong) return `${name} leads port ${wrong[0]} to ${wrong[1]}, not to ${GATE_PORT}`;
  }
  return undefined;
}

/** @param duration as Istio has it, `240s` @param fix the command that writes the right one */
export function timeoutVerdict(duration: string | undefined, timeoutMs: number, fix: string): Verdict {
  const timeout = timeoutMs / 1_000;
  const right = drainableSeconds(timeoutMs);
  if (duration === undefined) return warn(`no maxConnectionDuration; tunnels end after ${timeout} s`, fix);
  const seconds = secondsOf(duration);
  if (seconds === undefined) return warn(`maxConnectionDuration is ${duration}`, fix);
  const seen = `${seconds} s of ${timeout} s`;
  if (seconds >= timeout) return fail(`${seen}: requests in flight are cut`, fix);
  return seconds > right ? warn(`${seen}, ${right} s leaves time for what is in flight`, fix) : pass(seen);
}

/** `240s`, `4m0s`, `1h`, as Istio and Kubernetes write durations. */
function secondsOf(duration: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:h|m|s|ms))+$/.test(duration)) return undefined;
  const units = { h: 3_600, m: 60, s: 1, ms: 0.001 } as const;
  return [...duration.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)]
    .reduce((sum, [, number, unit]) => sum + Number(number) * units[unit as keyof typeof units], 0);
}
