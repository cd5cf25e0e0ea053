/**
 * `deno task demo`: krun joins an emulated mesh on this machine and serves a web app, told step by step. Needs nothing but Deno; ends by itself
 * and leaves nothing behind. `--keep` leaves all of it running, with addresses to try, until Ctrl-C.
 */
import { Buffer } from "node:buffer";
import { linesOf } from "../../lib/base/lines.ts";
import { stopContainer } from "../emulators/container.ts";
import { startWorld, type World } from "../emulators/world.ts";
import { Account } from "./account.ts";
import { FrontEndClient, randomData, sha256 } from "./front_end_client.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const SERVICE = "hello";
const HOST = `${SERVICE}.a.run.app`;

if (import.meta.main) {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => stop.abort(new Error(signal)));
  }
  const write = (text: string) => void Deno.stdout.writeSync(new TextEncoder().encode(text));
  const account = new Account(write, Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR"));
  try {
    await demo(account, { keep: Deno.args.includes("--keep"), stop: stop.signal });
  } catch (error) {
    if (!stop.signal.aborted) {
      write(`\ndemo: ${(error as Error).message}\n`);
      Deno.exit(1);
    }
    write("\nstopped, everything is undone\n");
  }
  Deno.exit(0);
}

/** Runs the demo to its end. @throws what went wrong, or the reason of `stop` */
export async function demo(account: Account, options: { keep: boolean; stop: AbortSignal }): Promise<void> {
  await using undo = new AsyncDisposableStack();
  account.title(
    "cloud-run-mesh demo: a container joins a service mesh. Everything runs on this machine; nothing leaves it.",
  );
  const step = <T>(name: string, run: () => Promise<T>) => unlessStopped(options.stop, account.step(name, run));

  const ports = freePorts(3);
  const [tunnelPort, appPort, proxyPort] = ports as [number, number, number];
  const world = await step("Google Cloud and a Kubernetes API server, emulated on the loopback", async () => {
    const world = undo.use(await startWorld({ services: { [SERVICE]: { port: tunnelPort } } }));
    account.say(
      `metadata server ${world.metadata.host}, GKE ${world.gke.origin}, API server https://${world.kubernetes.host},`,
    );
    account.say(`Cloud Run's front end https://${world.frontEnd.host} for ${HOST}`);
    return world;
  });

  const directory = await Deno.makeTempDir({ prefix: "krun-demo-" });
  undo.defer(() => Deno.remove(directory, { recursive: true }));
  const krun = await step("krun starts the app: it is told no more than Cloud Run tells a container", async () => {
    const krun = startKrun(world, directory, { tunnelPort, appPort, proxyPort });
    undo.defer(async () => void await stopContainer(krun.child));
    const joined = await krun.said("in the mesh after");
    account.say("the account k8s-demo@… named the namespace; GKE named the cluster; mesh-env brought the mesh's root:");
    for (const line of krun.lines) account.say(`│ ${line}`);
    account.check("time from settings to an open tunnel end", /after (\d+ ms)/.exec(joined)?.[1] ?? joined, true);
    return krun;
  });

  await step("what krun wrote for pilot-agent and gRPC", async () => {
    const token = await Deno.readTextFile(`${directory}/var/run/secrets/tokens/istio-token`);
    const claims = JSON.parse(atob(token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/")));
    account.check("token of", claims.sub, claims.sub === "system:serviceaccount:demo:default");
    account.check("for audience", String(claims.aud), String(claims.aud) === "demo-project.svc.id.goog");
    const { mode } = await Deno.stat(`${directory}/var/run/secrets/tokens/istio-token`);
    account.check(
      "readable by",
      `its owner only (mode ${((mode ?? 0) & 0o777).toString(8)})`,
      ((mode ?? 0) & 0o077) === 0,
    );
  });

  using client = new FrontEndClient(world.frontEnd.port, HOST, world.publicAuthority.certificatePem);
  const idToken = () => identityToken(world);
  await step("requests through the front end", async () => {
    const refused = await client.ask({ path: "/" });
    account.check("without an ID token", String(refused.status), refused.status === 401 || refused.status === 403);
    const spoofed = { "x-forwarded-client-cert": "URI=spiffe://demo/ns/admin/sa/root" };
    const { status, body } = await client.ask({ path: "/", idToken: await idToken(), headers: spoofed });
    const text = new TextDecoder().decode(body).trim();
    account.check(
      "with one, and a made-up mesh identity",
      `${status} ${text}`,
      status === 200 && text.endsWith("identity: none"),
    );
  });
  await step("tunnels: POST /_hbone/<port>, raw bytes inside, as the gate sends them", async () => {
    const inner = "GET / HTTP/1.1\r\nhost: hello\r\nconnection: close\r\n\r\n";
    const answer = await client.ask({
      method: "POST",
      path: "/_hbone/15003",
      idToken: await idToken(),
      body: inner,
      staysOpen: true,
    });
    const first = new TextDecoder().decode(answer.body).split("\r\n")[0]!;
    account.check(
      "an HTTP/1.1 request inside a tunnel",
      `${answer.status}, inside: ${first}`,
      first === "HTTP/1.1 200 OK",
    );
    const data = randomData(16 << 20);
    const head = `POST /echo HTTP/1.1\r\nhost: hello\r\nconnection: close\r\ncontent-length: ${data.length}\r\n\r\n`;
    const sent = new Uint8Array(await new Blob([head, data as BlobPart]).arrayBuffer());
    const back = await client.ask({
      method: "POST",
      path: "/_hbone/15003",
      idToken: await idToken(),
      body: sent,
      staysOpen: true,
    });
    const same = sha256(unchunk(back.body)) === sha256(data);
    account.check("16 MiB there and back, compared by SHA-256", same ? "the same" : "different", same);
    for (const port of ["22", "15000"]) {
      const { status } = await client.ask({
        method: "POST",
        path: `/_hbone/${port}`,
        idToken: await idToken(),
        body: "",
      });
      account.check(`port ${port}, which nobody declared`, String(status), status === 404);
    }
  });
  await step("the way out: the app calls through the HTTP_PROXY that krun gave it", async () => {
    await using outside = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => new Response("hello from outside"),
    );
    const url = `http://127.0.0.1:${outside.addr.port}/`;
    const { body } = await client.ask({ path: `/call?url=${encodeURIComponent(url)}`, idToken: await idToken() });
    const text = new TextDecoder().decode(body);
    account.check(`GET ${url} by the app`, text, text === "200 hello from outside");
  });
  if (options.keep) {
    account.title("Running until Ctrl-C. Try:");
    account.end(tryThese(world, { tunnelPort, appPort, proxyPort }, await idToken(), directory));
    await unlessStopped(options.stop, new Promise<never>(() => {}));
  }
  await step("Cloud Run ends the container: SIGTERM", async () => {
    const { status, tookMs } = await stopContainer(krun.child);
    account.check(
      "the app was told, and krun ends with its code",
      `${status.code} after ${Math.round(tookMs)} ms`,
      status.code === 0,
    );
  });
  await undo.disposeAsync();
  account.end("Done.");
}

function startKrun(world: World, directory: string, ports: { tunnelPort: number; appPort: number; proxyPort: number }) {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      `${ROOT}cmd/main.ts`,
      "krun",
      "--proxy=plain", // no Envoy on this machine: a forward proxy stands in for it
      "--",
      Deno.execPath(),
      "run",
      "-A",
      `${ROOT}tests/demo/app.ts`,
    ],
    cwd: directory,
    clearEnv: true,
    env: {
      ...world.environment,
      PATH: Deno.env.get("PATH") ?? "",
      HOME: directory,
      ...denoDirectory(),
      K_SERVICE: SERVICE,
      K_REVISION: `${SERVICE}-00001-abc`,
      PORT: String(ports.tunnelPort),
      PORT_http: String(ports.appPort),
      KRUN_PROXY_PORT: String(ports.proxyPort),
      KRUN_TUNNEL_WORKERS: "1",
      KRUN_LOG_FORMAT: "text",
      MESH_BASE_DIR: directory,
    },
    stdin: "null",
    stdout: "inherit",
    stderr: "piped",
  }).spawn();
  const lines: string[] = [];
  const waiting: { text: string; found: (line: string) => void }[] = [];
  const ended = (async () => {
    for await (const line of linesOf(child.stderr)) {
      lines.push(line);
      for (const { text, found } of waiting) if (line.includes(text)) found(line);
    }
    const { code } = await child.status;
    throw new Error(`krun ended with ${code}:\n${lines.join("\n")}`);
  })();
  ended.catch(() => {}); // only of interest to who waits
  return {
    child,
    lines,
    said: (text: string) => Promise.race([ended, new Promise<string>((found) => waiting.push({ text, found }))]),
  };
}

/** Where Deno keeps its cache, so that the child finds what is there already. */
function denoDirectory(): Record<string, string> {
  const home = Deno.env.get("HOME");
  const directory = Deno.env.get("DENO_DIR") ?? Deno.env.get("XDG_CACHE_HOME")?.concat("/deno") ??
    (home ? `${home}/${Deno.build.os === "darwin" ? "Library/Caches" : ".cache"}/deno` : undefined);
  return directory ? { DENO_DIR: directory } : {};
}

async function identityToken(world: World): Promise<string> {
  const url =
    `http://${world.metadata.host}/computeMetadata/v1/instance/service-accounts/default/identity?audience=https://${HOST}`;
  const answer = await fetch(url, { headers: { "metadata-flavor": "Google" } });
  return await answer.text();
}

/** Body of an HTTP/1.1 answer, taken out of its chunks. */
function unchunk(answer: Uint8Array): Uint8Array {
  const text = new TextDecoder("latin1");
  let at = indexOf(answer, "\r\n\r\n", 0) + 4;
  if (!/transfer-encoding: chunked/i.test(text.decode(answer.subarray(0, at)))) return answer.subarray(at);
  const parts: Uint8Array[] = [];
  for (;;) {
    const end = indexOf(answer, "\r\n", at);
    const size = Number.parseInt(text.decode(answer.subarray(at, end)), 16);
    if (!size) break;
    parts.push(answer.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
  return Buffer.concat(parts);
}

function indexOf(bytes: Uint8Array, text: string, from: number): number {
  const wanted = new TextEncoder().encode(text);
  for (let at = from; at <= bytes.length - wanted.length; at++) {
    if (wanted.every((byte, offset) => bytes[at + offset] === byte)) return at;
  }
  return bytes.length;
}

/** Ports that are free now; all held at once, so that they differ. */
function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map((listener) => listener.addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}

function tryThese(
  world: World,
  ports: { tunnelPort: number; appPort: number; proxyPort: number },
  idToken: string,
  directory: string,
): string {
  Deno.writeTextFileSync(`${directory}/front-end.pem`, world.publicAuthority.certificatePem);
  Deno.writeTextFileSync(`${directory}/id-token`, idToken, { mode: 0o600 });
  return [
    `  the app           curl http://127.0.0.1:${ports.appPort}/`,
    `  the tunnel's end  curl --http2-prior-knowledge http://127.0.0.1:${ports.tunnelPort}/`,
    `  the front end     curl --cacert ${directory}/front-end.pem --connect-to ${HOST}:443:127.0.0.1:${world.frontEnd.port} \\`,
    `                      -H "authorization: Bearer $(cat ${directory}/id-token)" https://${HOST}/`,
    `  the way out       curl -x http://127.0.0.1:${ports.proxyPort} http://example.com/`,
    `  krun's files      ls -R ${directory}/var ${directory}/etc`,
    "",
  ].join("\n");
}

async function unlessStopped<T>(stop: AbortSignal, work: Promise<T>): Promise<T> {
  let end = () => {};
  const stopped = new Promise<never>((_, reject) => {
    end = () => reject(stop.reason);
    if (stop.aborted) end();
    else stop.addEventListener("abort", end, { once: true });
  });
  work.catch(() => {});
  try {
    return await Promise.race([work, stopped]);
  } finally {
    stop.removeEventListener("abort", end);
    stopped.catch(() => {});
  }
}
