import { reasonOf } from "../../base/errors.ts";
import type { Secret } from "../../base/secret.ts";
import { type ClientAnswer, ErrorCode, type Field, StreamReset } from "../../http2/mod.ts";
import type { IdTokens, TunnelResult, TunnelRoute } from "../route.ts";
import { carry, type CarryWatch } from "./carry.ts";
import { StreamEnd, type TcpEnd } from "./end.ts";
import { type FrontEndPool, isUnprocessed, type PooledRequest } from "./front_end_pool.ts";
import type { RefusedTokens } from "./refused_tokens.ts";

/** Requests that the front end refused unprocessed are sent again, so often in all. */
const MOST_TRIES = 3;
const NOTHING = new Uint8Array();

/** How a tunnel ended, and why where that is worth telling. */
export interface TunnelEnded {
  result: TunnelResult;
  reason?: string;
}

/** What a tunnel is made of. */
export interface TunnelParts {
  mesh: TcpEnd;
  /** What the client has said: its ClientHello. Kept until a front end has answered 200. */
  first: Uint8Array;
  route: TunnelRoute;
  pool: FrontEndPool;
  tokens: Pick<IdTokens, "get">;
  refused: Pick<RefusedTokens, "drop">;
  watch: CarryWatch;
  /** Aborted to end the tunnel at once. */
  signal: AbortSignal;
}

/** Carries a client's connection through the front end until both have ended. Never throws. */
export async function tunnel(parts: TunnelParts): Promise<TunnelEnded> {
  const { mesh, signal } = parts;
  signal.addEventListener("abort", () => mesh.reset());
  // Reading while the front end is asked finds out when the client goes; the bytes of this one read wait for the answer.
  const firstRead = mesh.read();
  const gone = firstRead.then(() => {}, () => Promise.reject(new ClientGone()));
  gone.catch(() => {});
  let opened: Opened | TunnelEnded;
  try {
    opened = await open(parts, gone);
  } catch (error) {
    mesh.reset();
    if (error instanceof ClientGone) return { result: "ok" };
    return { result: "failed", reason: reasonOf(error) };
  }
  if ("result" in opened) {
    mesh.reset();
    return opened;
  }
  const { request, ended } = opened;
  const far = new StreamEnd(request.stream);
  const cut = () => far.reset();
  signal.addEventListener("abort", cut);
  if (signal.aborted) cut();
  try {
    await carry(mesh, far, parts.watch, firstRead);
    return ended() ?? { result: "ok" };
  } finally {
    mesh.close();
    request.release();
  }
}

/** The client's connection was reset before the front end answered. */
class ClientGone extends Error {}

interface Opened {
  request: PooledRequest;
  /** What the front end did to the tunnel, where that was no clean end. */
  ended(): TunnelEnded | undefined;
}

async function open(parts: TunnelParts, gone: Promise<void>): Promise<Opened | TunnelEnded> {
  const { route, refused: refusedTokens, signal } = parts;
  let refusedToken = false;
  for (let tries = 1;; tries++) {
    const attempt = await ask(parts, gone);
    if ("result" in attempt) return attempt;
    const { request, answer, reset } = attempt;
    if (signal.aborted) return give(request, { result: "ok" });
    if (answer instanceof StreamReset) {
      request.release();
      if (isUnprocessed(answer.code) && tries < MOST_TRIES) continue;
      return { result: "failed", reason: `the front end reset the request with code ${answer.code}` };
    }
    if (answer.status === 200) {
      parts.watch.in(parts.first.length);
      parts.first = NOTHING; // an idle tunnel is not to hold it
      return { request, ended: () => reset.code === undefined ? undefined : cutBy(reset.code, request.lost()) };
    }
    const refused = { result: "failed", reason: `the front end answered ${answer.status}` } as const;
    if (answer.status === 403) return give(request, { ...refused, result: "unauthorized" });
    if (answer.status !== 401) return give(request, refused);
    refusedTokens.drop(route.audience, attempt.token);
    if (refusedToken) return give(request, { ...refused, result: "unauthorized" });
    refusedToken = true;
    give(request, refused);
  }
}

interface Asked {
  token: Secret;
  request: PooledRequest;
  answer: ClientAnswer | StreamReset;
  /** Filled in when the front end resets the stream later. */
  reset: { code: number | undefined };
}

/** Sends the request with the client's first bytes and waits for the answer's head. @throws {ClientGone} */
async function ask(parts: TunnelParts, gone: Promise<void>): Promise<Asked | TunnelEnded> {
  const { route, pool, tokens, mesh, first } = parts;
  const token = await tokens.get(route.audience).catch((error) => error as Error);
  if (token instanceof Error) return { result: "unauthorized", reason: `no ID token: ${reasonOf(token)}` };
  const fields: Field[] = [
    [":method", "POST"],
    [":scheme", new URL(route.url).protocol.slice(0, -1)],
    [":authority", new URL(route.url).host],
    [":path", route.path],
    ["authorization", `Bearer ${token.value.reveal()}`],
  ];
  const reset: Asked["reset"] = { code: undefined };
  let answered = false;
  let request: PooledRequest;
  try {
    request = await pool.request(fields, route.limits.connectTimeoutMs, (code) => {
      reset.code = code;
      // Not before: another request may do for this one.
      if (answered) mesh.reset();
    });
  } catch (error) {
    return { result: "unreachable", reason: reasonOf(error) };
  }
  // Not awaited: the front end may answer before it has taken it all.
  request.stream.write(first).catch(() => {});
  const answer = request.answer.catch((error) => error as StreamReset);
  try {
    // An end of the client's side is no reason to give up, a reset is.
    const head = await Promise.race([answer, gone]) ?? await answer;
    answered = !(head instanceof StreamReset) && head.status === 200;
    return { token: token.value, request, answer: head, reset };
  } catch (error) {
    give(request, undefined);
    throw error;
  }
}

/** Ends a request that no tunnel comes of. */
function give<T>(request: PooledRequest, ended: T): T {
  request.stream.reset(ErrorCode.CANCEL);
  request.release();
  return ended;
}

/** Codes by which a server's end of a tunnel is told: the app behind it reset its connection, or went with it. */
const RESET_BY_APP: readonly number[] = [ErrorCode.CONNECT_ERROR, ErrorCode.CANCEL, ErrorCode.NO_ERROR];

function cutBy(code: number, lost: boolean): TunnelEnded {
  if (lost) return { result: "failed", reason: "the connection to the front end was lost" };
  if (RESET_BY_APP.includes(code)) return { result: "ok" };
  return { result: "failed", reason: `the front end reset the tunnel with code ${code}` };
}
