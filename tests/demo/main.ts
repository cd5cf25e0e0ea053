/**
 * `deno task demo`: krun joins an emulated mesh on this machine and serves a web app, told step by step. Needs nothing but Deno; ends by itself
 * and leaves nothing behind. `--keep` leaves all of it running, with addresses to try, until Ctrl-C.
 */
import { stopContainer } from "../emulators/container.ts";
import { startWorld, type World } from "../emulators/world.ts";
import { Account, unlessStopped } from "./account.ts";
import { FrontEndClient, randomData, sha256 } from "./front_end_client.ts";
import { parseAnswer } from "./http1_answer.ts";
import { type ContainerPorts, freePorts, type KrunContainer, startKrun } from "./krun_container.ts";

const SERVICE = "hello";
const HOST = `${SERVICE}.a.run.app`;

if (import.meta.main) {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => stop.abort(new Error(signal)));
  }
  const write = (text: string) => {
    try {
      Deno.stdout.writeSync(new TextEncoder().encode(text));
    } catch (error) {
      stop.abort(error); // nobody reads any more, as in `| head`
    }
  };
  const account = new Account(write, Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR"));
  try {
    await demo(account, Deno.args.includes("--keep"), stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) {
      write(`\ndemo: ${(error as Error).message}\n`);
      Deno.exit(1);
    }
    write("\nStopped; everything is undone.\n");
  }
  Deno.exit(0);
}

/** What the steps after the start work on. */
interface Scene {
  world: World;
  directory: string;
  krun: KrunContainer;
  client: FrontEndClient;
  idToken: () => Promise<string>;
}

/** Runs the demo to its end. @throws what went wrong, or the reason of `stop` */
async function demo(account: Account, keep: boolean, stop: AbortSignal): Promise<void> {
  account.title(
    "cloud-run-mesh: a container on Cloud Run joins an Istio service mesh",
    "krun and the app are real; Google Cloud, Kubernetes and callers are emulated on this machine.",
  );
  await using undo = new AsyncDisposableStack();
  const step = <T>(name: string, run: () => Promise<T>) => account.step(name, stop, run);

  const ports = freePorts();
  const world = await step("Google Cloud and a Kubernetes cluster, emulated", async () => {
    const world = undo.use(await startWorld({ services: { [SERVICE]: { port: ports.tunnel } } }));
    account.check("metadata server", `http://${world.metadata.host}    project, region, service account`);
    account.check("GKE API", `${world.gke.origin}    the project's clusters`);
    account.check("Kubernetes API", `https://${world.kubernetes.host}   the mesh's settings, tokens`);
    account.check("Cloud Run's front end", `https://${world.frontEnd.host}   answers for https://${HOST}`);
    return world;
  });
  const directory = await Deno.makeTempDir({ prefix: "krun-demo-" });
  undo.defer(() => Deno.remove(directory, { recursive: true }));
  const krun = await step("krun starts, finds the mesh by itself and starts the app", async () => {
    const krun = startKrun(world, SERVICE, directory, ports);
    undo.defer(async () => void await stopContainer(krun.child));
    await tellStart(account, world, krun);
    return krun;
  });
  const client = undo.use(
    await FrontEndClient.connect(world.frontEnd.port, HOST, world.publicAuthority.certificatePem),
  );
  const scene: Scene = { world, directory, krun, client, idToken: () => identityToken(world) };
  await step("The token that krun got for the workload and keeps fresh", () => tellToken(account, scene));
  await step(`Calls to https://${HOST} through the front end`, () => tellCalls(account, scene));
  await step(
    "Calls from the mesh: tunnels, POST /_hbone/PORT with a TCP stream inside",
    () => tellTunnels(account, scene),
  );
  const outside = undo.use(
    Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response("hello from outside\n")),
  );
  const url = `http://127.0.0.1:${outside.addr.port}/`;
  await step("Calls by the app: through the proxy that krun put into its HTTP_PROXY", async () => {
    const { body } = await client.ask({ path: `/call?url=${encodeURIComponent(url)}`, idToken: await scene.idToken() });
    const text = new TextDecoder().decode(body).trim();
    account.check(`GET ${url}`, text, text === "200 hello from outside");
  });
  if (keep) {
    account.tell(await thingsToTry(scene, ports, url));
    await unlessStopped(stop, krun.ended);
  }
  await step("Cloud Run stops the container: SIGTERM, ten seconds later SIGKILL", async () => {
    const { status, tookMs } = await stopContainer(krun.child);
    account.check(
      "app and krun end by themselves",
      `exit code ${status.code}, ${Math.round(tookMs)} ms`,
      status.success,
    );
  });
  await undo.disposeAsync();
  account.end(
    "Every process is stopped, every file removed.",
    "Not part of the demo: Envoy and with it mTLS, routes and policies; they take a cluster (deno task e2e).",
  );
}

async function tellStart(account: Account, world: World, krun: KrunContainer): Promise<void> {
  const joined = await krun.said("in the mesh after");
  account.quote(krun.lines, "00:00:00.000   ".length);
  const asked = ({ faults }: { faults: World["gke"]["faults"] }, path: RegExp) =>
    faults.requests.some((request) => path.test(request.path) && Number(request.outcome) < 300);
  const { email } = world.metadata.state;
  account.check(
    "asked the metadata server",
    `account ${email.split("@")[0]}@…, so namespace demo`,
    asked(world.metadata, /\/email$/),
  );
  account.check("asked GKE", "cluster istio-demo", asked(world.gke, /\/clusters$/));
  account.check(
    "read the cluster's mesh-env",
    `trust domain ${world.meshEnv.TRUST_DOMAIN}, and the mesh's root`,
    asked(world.kubernetes, /istio-system\/configmaps\/mesh-env$/),
  );
  account.check(
    "got a token",
    "for the workload demo/default",
    asked(world.kubernetes, /demo\/serviceaccounts\/default\/token$/),
  );
  account.check("ready for calls", `${/after (\d+ ms)/.exec(joined)?.[1]}, not counting the start of Deno`);
}

async function tellToken(account: Account, { directory }: Scene): Promise<void> {
  const path = `${directory}/var/run/secrets/tokens/istio-token`;
  const token = await Deno.readTextFile(path);
  const claims = JSON.parse(atob(token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/")));
  const mode = ((await Deno.stat(path)).mode ?? 0) & 0o777;
  account.check("says who", claims.sub, claims.sub === "system:serviceaccount:demo:default");
  account.check("good for", `${claims.aud} only`, String(claims.aud) === "demo-project.svc.id.goog");
  account.check("readable by", `its owner only (mode ${mode.toString(8)})`, (mode & 0o077) === 0);
}

async function tellCalls(account: Account, { client, idToken }: Scene): Promise<void> {
  const refused = await client.ask({ path: "/" });
  account.check("without an ID token", `${refused.status}, from the front end`, refused.status === 401);
  const told = await client.ask({ path: "/", idToken: await idToken() });
  account.check("with an ID token", `${told.status} ${text(told.body)}`, told.status === 200);
  const headers = { "x-forwarded-client-cert": "URI=spiffe://demo/ns/admin/sa/root" };
  const { body } = await client.ask({ path: "/", idToken: await idToken(), headers });
  account.check("with a forged mesh identity", "the app does not get to see it", text(body).endsWith("identity: none"));
}

async function tellTunnels(account: Account, { client, idToken }: Scene): Promise<void> {
  const tunnel = async (port: number, body?: Uint8Array | string) => {
    const request = { method: "POST", path: `/_hbone/${port}`, idToken: await idToken() };
    return await client.ask(body === undefined ? request : { ...request, body, staysOpen: true });
  };
  const answer = await tunnel(15003, "GET / HTTP/1.1\r\nhost: hello\r\nconnection: close\r\n\r\n");
  const { statusLine } = parseAnswer(answer.body);
  account.check("an HTTP/1.1 request in a tunnel", `${statusLine}, from the app`, statusLine === "HTTP/1.1 200 OK");
  const data = randomData(16 << 20);
  const head = `POST /echo HTTP/1.1\r\nhost: hello\r\nconnection: close\r\ncontent-length: ${data.length}\r\n\r\n`;
  const echoed = await tunnel(15003, new Uint8Array(await new Blob([head, data as BlobPart]).arrayBuffer()));
  const same = sha256(parseAnswer(echoed.body).body) === sha256(data);
  account.check("16 MiB to the app and back", same ? "the same bytes (SHA-256)" : "other bytes", same);
  for (const [port, what] of [[22, "SSH's"], [15000, "Envoy's admin"]] as const) {
    const { status } = await tunnel(port);
    account.check(`to ${port}, ${what} port`, `${status}: only declared ports are open`, status === 404);
  }
}

async function identityToken(world: World): Promise<string> {
  const path = `instance/service-accounts/default/identity?audience=https://${HOST}`;
  const url = `http://${world.metadata.host}/computeMetadata/v1/${path}`;
  const answer = await fetch(url, { headers: { "metadata-flavor": "Google" } });
  return await answer.text();
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).trim();
}

async function thingsToTry({ world, directory, idToken }: Scene, ports: ContainerPorts, url: string): Promise<string> {
  await Deno.writeTextFile(`${directory}/front-end.pem`, world.publicAuthority.certificatePem);
  await Deno.writeTextFile(`${directory}/id-token`, await idToken(), { mode: 0o600 });
  return `
All of it runs until Ctrl-C. Try:
  # the app itself
  curl http://127.0.0.1:${ports.app}/
  # the app through krun's port, which speaks HTTP/2
  curl --http2-prior-knowledge http://127.0.0.1:${ports.tunnel}/
  # the app through Cloud Run's front end (the token in the file is good for an hour)
  curl --cacert ${directory}/front-end.pem --connect-to ${HOST}:443:127.0.0.1:${world.frontEnd.port} \\
    -H "authorization: Bearer $(cat ${directory}/id-token)" https://${HOST}/
  # the app through a tunnel
  printf 'GET / HTTP/1.1\\r\\nhost: hello\\r\\n\\r\\n' |
    curl -s --data-binary @- --http2-prior-knowledge http://127.0.0.1:${ports.tunnel}/_hbone/15003
  # the way out of the app
  curl -x http://127.0.0.1:${ports.proxy} ${url}
  # what krun has written
  find ${directory}/etc ${directory}/var -type f
`;
}
