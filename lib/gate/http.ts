import { Problem, reasonOf } from "../base/errors.ts";
import { EXPOSITION_TYPE } from "../base/exposition.ts";
import { gateMetrics, type GateStatus, routesReport } from "./status.ts";

export interface GateHttpOptions {
  /** 0 takes a free one. */
  port: number;
  /** @default {every address: the kubelet and Prometheus ask from outside the pod} */
  hostname?: string;
  status: () => Promise<GateStatus>;
}

/**
 * `/healthz` (the process answers), `/readyz` (routes are loaded and streams are taken), `/metrics`, `/debug/routes`.
 * @throws {Problem} the port cannot be had: without probes the pod would be killed
 */
export function serveGateHttp(options: GateHttpOptions): AsyncDisposable & { port: number } {
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve(
      { port: options.port, ...(options.hostname ? { hostname: options.hostname } : {}), onListen: () => {} },
      (request) => answer(request, options.status),
    );
  } catch (error) {
    throw new Problem({
      tried: `serve /healthz and /metrics on port ${options.port}`,
      got: reasonOf(error),
      fix: "free the port, or set HGATE_HTTP_PORT",
    });
  }
  server.finished.catch(() => {});
  return { port: server.addr.port, [Symbol.asyncDispose]: () => server.shutdown() };
}

async function answer(request: Request, status: () => Promise<GateStatus>): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response("GET it\n", { status: 405, headers: { allow: "GET, HEAD" } });
  }
  switch (new URL(request.url).pathname) {
    case "/healthz":
      return new Response("ok\n");
    case "/readyz": {
      const { notReady } = await status();
      return notReady ? new Response(`not ready: ${notReady}\n`, { status: 503 }) : new Response("ok\n");
    }
    case "/metrics":
      return new Response(gateMetrics(await status()), { headers: { "content-type": EXPOSITION_TYPE } });
    case "/debug/routes":
      return Response.json(routesReport(await status()));
    default:
      return new Response("/healthz, /readyz, /metrics, /debug/routes\n", { status: 404 });
  }
}
