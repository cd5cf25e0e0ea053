import { forwardAsHttp1 } from "./app_http1.ts";
import { type AppHttp2, isGrpc } from "./app_http2.ts";
import type { TunnelOptions, TunnelStats } from "./engine.ts";
import { ErrorCode, type Http2Stream, type RequestHead } from "../http2/mod.ts";
import { connectLoopback } from "./loopback.ts";
import { decide } from "./route.ts";
import { carry } from "./tunnel.ts";

/** What requests are answered with. */
export interface RequestContext {
  options: Pick<TunnelOptions, "routes" | "appPort">;
  appHttp2: AppHttp2;
  stats: TunnelStats;
}

/** Answers one HTTP/2 request: a tunnel, the app, or a refusal. */
export async function answerHttp2(
  context: RequestContext,
  stream: Http2Stream,
  head: RequestHead,
  hasBody: boolean,
): Promise<void> {
  const decision = decide(head.method, head.path, context.options.routes);
  if (decision.kind === "refuse") return answerText(stream, decision.status, decision.text);
  const toApp = decision.kind === "app";
  if (toApp && isGrpc(head)) {
    // Only before the answer began can it be replaced by another.
    return await context.appHttp2.forward(stream, head, hasBody).catch(() => answerText(stream, 503, APP_DOWN));
  }
  const port = toApp ? context.options.appPort : decision.port;
  const conn = await connectLoopback(port).catch(() => undefined);
  if (!conn) return answerText(stream, 503, toApp ? APP_DOWN : `nothing accepts connections on 127.0.0.1:${port}\n`);
  if (stream.isReset) return conn.close();
  if (toApp) {
    return await forwardAsHttp1(stream, head, hasBody, conn).catch(() =>
      answerText(stream, 502, "the app did not answer in HTTP\n")
    );
  }
  stream.sendHeaders([[":status", "200"]]);
  await carry(stream, conn, context.stats);
}

export const APP_DOWN = "the app does not accept connections\n";

/** Answers with a short text; a stream that has begun another answer is reset instead. */
export function answerText(stream: Http2Stream, status: number, text: string): void {
  if (stream.isReset) return;
  if (stream.answered) return stream.reset(ErrorCode.INTERNAL_ERROR);
  const body = new TextEncoder().encode(text);
  stream.sendHeaders([[":status", String(status)], ["content-type", "text/plain"], [
    "content-length",
    String(body.length),
  ]]);
  // Short enough for any window that is open; on one that is shut the status has to do.
  void stream.write(body).then(() => {
    stream.end();
    stream.reset(ErrorCode.NO_ERROR);
  }, () => {});
}
