import { connect } from "node:tls";

/** Whether a ClientHello of that name reaches a server: its certificate comes, or the connection is closed. */
export function isAnswered(host: string, servername: string): Promise<boolean> {
  const options = { host, port: 15_442, servername, rejectUnauthorized: false, ALPNProtocols: ["istio"] };
  return new Promise((resolve) => {
    const socket = connect(options, () => end(true));
    const end = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.on("error", () => end(false));
    socket.on("close", () => end(false));
    socket.setTimeout(10_000, () => end(false));
  });
}
