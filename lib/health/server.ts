import { reasonOf } from "../base/errors.ts";
import { EXPOSITION_TYPE } from "../base/exposition.ts";
import { logger } from "../base/log.ts";
import { metricsText, type Status } from "./metrics.ts";

const log = logger("krun", "health");

export interface HealthOptions {
  /** Port on 127.0.0.1; 0 takes a free one. */
  port: number;
  status: () => Status | Promise<Status>;
  /** `POST /quitquitquit` asks for an orderly end, as SIGTERM does: for jobs whose work is done in another container. */
  quit: () => void;
}

/**
 * `/healthz/live`, `/healthz/ready`, `/metrics`, `/quitquitquit` on the loopback. A port that is taken costs these, not the start.
 * @returns the port that is served, 0 for none
 */
export function serveHealth(options: HealthOptions): AsyncDisposable & { port: number } {
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve(
      { hostname: "127.0.0.1", port: options.port, onListen: () => {} },
      (request) => answer(request, options),
    );
  } catch (error) {
    log.warn(`no /metrics and /healthz: port ${options.port}: ${reasonOf(error)}`);
    return { port: 0, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  server.finished.catch(() => {});
  return { port: server.addr.port, [Symbol.asyncDispose]: () => server.shutdown() };
}

async function answer(request: Request, { status, quit }: HealthOptions): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/quitquitquit") {
    if (request.method !== "POST") return new Response("POST it\n", { status: 405, headers: { allow: "POST" } });
    setTimeout(quit); // after the answer
    return new Response("ending\n");
  }
  if (request.method !== "GET" && request.method !== "HEAD") return new Response("GET it\n", { status: 405 });
  switch (pathname) {
    case "/healthz/live":
      return new Response("live\n");
    case "/healthz/ready": {
      const { notReady } = await status();
      return notReady ? new Response(`not ready: ${notReady}\n`, { status: 503 }) : new Response("ready\n");
    }
    case "/metrics":
      return new Response(metricsText(await status()), { headers: { "content-type": EXPOSITION_TYPE } });
    default:
      return new Response("/healthz/live, /healthz/ready, /metrics, POST /quitquitquit\n", { status: 404 });
  }
}
