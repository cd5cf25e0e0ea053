/**
 * What Cloud Run fills in where a template says nothing.
 *
 * Wire facts: https://cloud.google.com/run/docs/configuring/request-timeout, …/concurrency, …/memory-limits, …/healthchecks (the default TCP
 * startup probe), …/configuring/containers (the port)
 */
import type { RunContainerResource, RunProbeResource, RunTemplateResource } from "./cloud_run_types.ts";

export function withDefaults(template: RunTemplateResource, projectNumber: string): RunTemplateResource {
  const { containers = [] } = template;
  const filled = containers.map((container) => containerWithDefaults(container, containers.length === 1));
  const scaling = (template["scaling"] ?? {}) as Record<string, unknown>;
  return {
    ...template,
    timeout: template.timeout ?? "300s",
    serviceAccount: template.serviceAccount ?? `${projectNumber}-compute@developer.gserviceaccount.com`,
    maxInstanceRequestConcurrency: template.maxInstanceRequestConcurrency || 80,
    scaling: { maxInstanceCount: 100, ...scaling },
    containers: filled.map((container, at) => ({ ...container, name: container.name ?? nameFor(container, at) })),
  };
}

function containerWithDefaults(container: RunContainerResource, isAlone: boolean): RunContainerResource {
  const resources = (container["resources"] ?? { cpuIdle: true }) as { limits?: Record<string, string> };
  const ports = container.ports?.length ? container.ports : isAlone ? [{ containerPort: 8080 }] : undefined;
  const [port] = ports ?? [];
  const { startupProbe, livenessProbe } = container;
  const probe = startupProbe
    ? probeWithDefaults(startupProbe, port?.containerPort)
    : port && { timeoutSeconds: 240, periodSeconds: 240, failureThreshold: 1, tcpSocket: { port: port.containerPort } };
  return {
    ...container,
    resources: {
      ...resources,
      limits: { memory: "512Mi", ...resources.limits, cpu: thousandths(resources.limits?.["cpu"]) },
    },
    ...(ports ? { ports: ports.map((port) => ({ ...port, name: port.name || "http1" })) } : {}),
    ...(probe ? { startupProbe: probe as RunProbeResource } : {}),
    ...(livenessProbe ? { livenessProbe: probeWithDefaults(livenessProbe, port?.containerPort) } : {}),
  };
}

/** `1` is `1000m`. */
function thousandths(cpu = "1"): string {
  return cpu.endsWith("m") ? cpu : `${Number(cpu) * 1_000}m`;
}

function probeWithDefaults(probe: RunProbeResource, port: number | undefined): RunProbeResource {
  const { httpGet, tcpSocket, grpc } = probe;
  const at = port === undefined ? {} : { port };
  return {
    timeoutSeconds: 1,
    periodSeconds: 10,
    failureThreshold: 3,
    ...probe,
    ...(httpGet ? { httpGet: { path: "/", ...at, ...httpGet } } : {}),
    ...(tcpSocket ? { tcpSocket: { ...at, ...tcpSocket } } : {}),
    ...(grpc ? { grpc: { ...at, ...grpc } } : {}),
  };
}

/** `hello-1` of `gcr.io/p/hello:latest`. */
function nameFor({ image = "container" }: RunContainerResource, at: number): string {
  const last = image.split("/").at(-1)!.split(/[@:]/)[0]!.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-");
  return `${last}-${at + 1}`;
}
