/** Where tunnels end and where the app listens. */
export const LOOPBACK = "127.0.0.1";
/** A connect on the loopback answers at once, unless the listener's backlog is full. */
const CONNECT_TIMEOUT_MS = 5_000;

/** Connects to a port of this host with TCP_NODELAY. @throws the runtime's error when it is refused; `Deno.errors.TimedOut` after 5 s. */
export async function connectLoopback(port: number, timeoutMs = CONNECT_TIMEOUT_MS): Promise<Deno.TcpConn> {
  const connecting = Deno.connect({ hostname: LOOPBACK, port });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Deno.errors.TimedOut(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    const conn = await Promise.race([connecting, late]);
    conn.setNoDelay(true);
    return conn;
  } catch (error) {
    connecting.then((conn) => conn.close(), () => {});
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
