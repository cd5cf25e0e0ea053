import { Problem } from "../../base/errors.ts";
import type { RunContainer, RunTemplate } from "../../gcp/mod.ts";
import { appContainer, portOf } from "./app_container.ts";
import { KRUN, krunContainer, type KrunOptions, TUNNEL_PORT } from "./krun_container.ts";

export interface MeshOptions extends KrunOptions {
  /** Who the service runs as, where that is to change. */
  serviceAccount?: string | undefined;
  /** Its way into the VPC, where that is to change. */
  vpcAccess?: Record<string, unknown> | undefined;
}

/** Ports of krun, Envoy and pilot-agent: an app beside them can have none of these. */
const OURS = { from: 15_000, to: 15_100 };

/**
 * A service's template with krun in front of its app: krun's container gets the requests, the app's own stands beside it, untouched but for
 * its port. What has krun already is brought up to date, and nothing else of it is changed: doing it again is doing it once.
 * @param what for errors: `put Cloud Run service web into the mesh`
 * @throws {Problem} a shape that krun cannot stand in front of
 */
export function meshTemplate(template: RunTemplate, options: MeshOptions, what: string): RunTemplate {
  const { containers = [], revision: _, ...kept } = template;
  const krun = krunOf(template);
  const app = appOf(template, what);
  const port = krun ? Number(variableOf(krun, "PORT_http")) : portOf(app);
  requireFree(port, app, what);
  const moved = appContainer(app, port, options.capture);
  const inFront = krunContainer(krun, { container: app, port }, options);
  const others = containers.map((container) => container === app ? moved : container === krun ? inFront : container);
  return {
    ...kept,
    ...(options.serviceAccount ? { serviceAccount: options.serviceAccount } : {}),
    ...(options.vpcAccess ? { vpcAccess: { ...template.vpcAccess, ...options.vpcAccess } } : {}),
    containers: krun ? others : [inFront, ...others],
  };
}

/** krun's container, where there is one. */
export function krunOf({ containers = [] }: RunTemplate): RunContainer | undefined {
  return containers.find((container) => container.name === KRUN && variableOf(container, "PORT_http") !== undefined);
}

/** The app's container: behind krun the one that is started after it, else the one that gets the requests. */
export function appOf(template: RunTemplate, what: string): RunContainer {
  const { containers = [] } = template;
  const krun = krunOf(template);
  const behind = krun &&
    containers.find(({ env, dependsOn }) => dependsOn?.includes(KRUN) && env?.some(({ name }) => name === "PORT"));
  const alone = containers.length === 1 ? containers[0] : containers.find(({ ports }) => ports?.length);
  const app = krun ? behind : alone;
  if (!app) {
    const got = krun ? "krun's container with nothing that is started after it" : "no container that gets the requests";
    throw new Problem({ tried: what, got, fix: "look at it: gcloud run services describe" });
  }
  const taken = containers.some((container) => container.name === KRUN && container !== krun);
  if (taken) {
    const got = `a container that is called ${KRUN} and is not krun's`;
    throw new Problem({ tried: what, got, fix: "give it another name" });
  }
  return app;
}

function requireFree(port: number, { ports }: RunContainer, what: string): void {
  if (!(port >= OURS.from && port <= OURS.to)) return;
  const has = port === TUNNEL_PORT && ports?.[0]?.name === "h2c";
  throw new Problem({
    tried: what,
    got: has
      ? `its container serves HTTP/2 on ${TUNNEL_PORT}, which is krun's port: it has krun in its own image, it seems`
      : `its app listens on ${port}, and krun's ports are ${OURS.from} to ${OURS.to}`,
    fix: has ? "register-service; it needs no krun beside it" : "let it listen on another port, e.g. 8080",
  });
}

function variableOf({ env = [] }: RunContainer, wanted: string): string | undefined {
  return env.find(({ name }) => name === wanted)?.value;
}
