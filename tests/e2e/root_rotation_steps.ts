import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { createAuthority } from "../emulators/certificates.ts";
import type { Container } from "./container.ts";
import { HGATE_NAMESPACE } from "./hgate.ts";
import { heldCertificates, ownCa, plugIn, sameCertificates, type SigningCa, unplug, untilData } from "./istio_ca.ts";
import { NAMESPACE, SERVICE } from "./objects.ts";
import { loadFromPod, loadResult } from "./pod_load.ts";
import { eventually } from "./process.ts";
import { say } from "./say.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

/**
 * A certificate of a workload lives this long and is renewed at half of it: a rotation takes as long as certificates live. The other half
 * has to be enough for a renewal that fails: pilot-agent's own connection to istiod knows the new root only when it is made anew, which
 * took it 14 s once.
 */
const LIFE = "60s";
/** For a renewal to come, and one that failed to be made up for. */
const RENEWED_MS = 90_000;
const ROOTS_FILE = "/var/run/secrets/istio/root-cert.pem";
const SECRETS = "/config_dump?resource=dynamic_active_secrets";

/**
 * The mesh's root is rotated in Istio's three phases, with load both ways: the new root is trusted beside the old one; the
 * new authority signs; the old root is trusted no more. Every tenth request needs a new connection, and so both certificates.
 */
export async function rootRotation(world: E2eWorld, runtime: string, step: Step): Promise<void> {
  const { cluster } = world;
  const old = await ownCa(cluster);
  if (!old) return say("the mesh's root is not rotated: istiod has a plugged-in CA, which is not ours to change");
  const authority = createAuthority("e2e next root");
  const intermediate = authority.issueAuthority("e2e next intermediate");
  const next: SigningCa = {
    certificate: intermediate.certificatePem,
    privateKey: intermediate.privateKeyPem,
    chain: intermediate.certificatePem,
  };
  const both = authority.certificatePem + old.root;

  await using undo = new AsyncDisposableStack();
  undo.defer(() => shortLife(world, null));
  await shortLife(world, LIFE);
  undo.defer(() => manyConnections(world, null));
  await manyConnections(world, 10);
  undo.defer(() => patchMeshEnv(world, old.root));
  await patchMeshEnv(world, old.root); // another only after a run that was killed in between
  undo.defer(async () => {
    await unplug(cluster, old.root);
    await untilData(cluster, HGATE_NAMESPACE, "mesh-env", "CAROOT_ISTIOD", old.root);
  });
  await using krun = world.startKrun(runtime, {
    env: {
      KRUN_CAPTURE: "whitebox",
      KRUN_MESH_ENV_POLL_MS: "1000",
      MESH_FORWARD: "7080=echo:8080",
      SECRET_TTL: LIFE,
    },
    command: ["/usr/local/bin/fortio", "server"],
  });
  await krun.said("in the mesh after", 60_000);
  await world.reached(krun, "/echo", /200 OK/);
  const admins = { krun: adminOfKrun(krun), echo: adminOfEcho(world) };

  /** Waits until both ends show a certificate of `ca` and trust `roots`. */
  const held = async (ca: SigningCa, roots: string) => {
    const key = new X509Certificate(ca.certificate).publicKey;
    for (const [name, admin] of Object.entries(admins)) {
      await eventually(`certificate and roots of ${name}`, async () => {
        const now = heldCertificates(await admin(SECRETS));
        return (now.leaf.verify(key) && sameCertificates(now.roots, roots)) || undefined;
      }, RENEWED_MS);
    }
  };
  await held(old, old.root);

  await step("the mesh's root is rotated under load: every request is answered", async () => {
    const before = await connections(admins);
    const load = startLoad(world, krun);
    const phase = async (what: string, ca: SigningCa, roots: string) => {
      const began = performance.now();
      await plugIn(cluster, ca, roots);
      await untilData(cluster, HGATE_NAMESPACE, "mesh-env", "CAROOT_ISTIOD", roots); // hgate's, by itself
      await patchMeshEnv(world, roots); // the namespace's own copy, as its operator would
      await eventually("krun's file of roots", async () => {
        return sameCertificates((await krun.exec(["cat", ROOTS_FILE])).stdout, roots) || undefined;
      });
      await held(ca, roots);
      say(`${what}: ${Math.round(performance.now() - began)} ms`);
    };
    let answers;
    try {
      await phase("the new root is trusted", old, both);
      await mountedRoots(world, both); // the pod's agent must know istiod by them in the next phase
      await phase("the new authority signs", next, both);
      await phase("the old root is trusted no more", next, authority.certificatePem);
    } finally {
      answers = await load.end();
    }
    const after = await connections(admins);
    for (const [way, { answered, failed, rounds, bad }] of Object.entries(answers)) {
      const made = after[way]! - before[way]!;
      say(`${way}: ${answered} requests answered in ${rounds} rounds, ${failed} failed, ${made} connections made`);
      assert.equal(bad.length, 0, `${failed} of ${answered + failed} failed\n${bad.join("\n")}\n${krun.log()}`);
      assert.ok(answered > 1_000 && made > answered / 20, `${answered} answered over ${made} connections`);
    }
    assert.match(krun.log(), /new root certificates by mesh-env/);
    const { stdout } = await krun.exec(["curl", "-sS", "http://127.0.0.1:15019/metrics"]);
    assert.match(stdout, /^krun_proxy_restarts_total 0$/m);
  });
}

type Admin = (path: string) => Promise<string>;

function adminOfKrun(krun: Container): Admin {
  return async (path) => (await krun.exec(["curl", "-sSg", `http://127.0.0.1:15000${path}`])).stdout;
}

function adminOfEcho({ cluster }: E2eWorld): Admin {
  return async (path) =>
    (await cluster.exec(NAMESPACE, "deployment/echo", "istio-proxy", "pilot-agent", "request", "GET", path)).stdout;
}

/** Connections that either end's Envoy has made to the other. */
async function connections(admins: { krun: Admin; echo: Admin }): Promise<Record<string, number>> {
  const made = async (admin: Admin, service: string) => {
    const line = new RegExp(`^outbound\\|8080\\|\\|${service}\\.[^:]*::.*::cx_total::(\\d+)$`, "gm");
    return [...(await admin("/clusters")).matchAll(line)].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  return { outbound: await made(admins.krun, "echo"), inbound: await made(admins.echo, SERVICE) };
}

interface Answers {
  answered: number;
  failed: number;
  rounds: number;
  /** What fortio said of rounds with failures or no answer. */
  bad: string[];
}

/** Load in both directions, in rounds, until it is told to end. */
function startLoad(world: E2eWorld, krun: Container): { end(): Promise<Record<string, Answers>> } {
  const seconds = 10;
  const over = new AbortController();
  const words = ["load", "-qps", "100", "-c", "4", "-t", `${seconds}s`, "-H", "host: echo"];
  const rounds = async (round: () => Promise<ReturnType<typeof loadResult>>) => {
    const sum: Answers = { answered: 0, failed: 0, rounds: 0, bad: [] };
    while (!over.signal.aborted) {
      const { answered, failed, text } = await round();
      sum.answered += answered;
      sum.failed += failed;
      sum.rounds++;
      if (failed > 0 || answered === 0) sum.bad.push(text);
    }
    return sum;
  };
  const outbound = rounds(async () => {
    const { stdout, stderr } = await krun.exec(["/usr/local/bin/fortio", ...words, "http://127.0.0.1:7080/echo"]);
    return loadResult(stdout + stderr);
  });
  const inbound = rounds(async () => await (await loadFromPod(world, "/echo", seconds)).result());
  const all = Promise.all([outbound, inbound]);
  all.catch(() => {}); // seen at the end
  return {
    async end() {
      over.abort();
      const [outbound, inbound] = await all;
      return { outbound, inbound };
    },
  };
}

async function patchMeshEnv({ cluster }: E2eWorld, roots: string): Promise<void> {
  await patch(cluster, "configmap/mesh-env", { data: { CAROOT_ISTIOD: roots } });
}

/** The pod's agent gets the roots from the kubelet, which looks again when something of the pod changes, else each minute or so. */
async function mountedRoots({ cluster }: E2eWorld, roots: string): Promise<void> {
  const stamp = `krun-e2e/roots=${crypto.randomUUID()}`;
  await eventually("the roots in the pod", async () => {
    const { stdout } = await cluster.exec(NAMESPACE, "deployment/echo", "istio-proxy", "cat", ROOTS_FILE);
    if (sameCertificates(stdout, roots)) return true;
    await cluster.kubectl("-n", NAMESPACE, "annotate", "pods", "-l", "app=echo", "--overwrite", stamp);
  }, 60_000);
}

/** @param life of the pod's certificate, `20s`; none for Istio's own */
async function shortLife({ cluster }: E2eWorld, life: string | null): Promise<void> {
  const config = life && JSON.stringify({ proxyMetadata: { SECRET_TTL: life } });
  const template = { metadata: { annotations: { "proxy.istio.io/config": config } } };
  await patch(cluster, "deployment/echo", { spec: { template } });
  await cluster.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/echo", "--timeout=60s");
}

/** @param requests after which an Envoy takes another connection; none for as many as come */
async function manyConnections({ cluster }: E2eWorld, requests: number | null): Promise<void> {
  const connectionPool = requests === null ? null : { http: { maxRequestsPerConnection: requests } };
  await patch(cluster, `destinationrule/${SERVICE}`, { spec: { trafficPolicy: { connectionPool } } });
  const echo = {
    apiVersion: "networking.istio.io/v1",
    kind: "DestinationRule",
    metadata: { name: "echo", namespace: NAMESPACE },
    spec: { host: "echo", trafficPolicy: { connectionPool } },
  };
  if (requests === null) await cluster.kubectl("-n", NAMESPACE, "delete", "destinationrule/echo", "--ignore-not-found");
  else await cluster.apply(echo);
}

function patch(cluster: E2eWorld["cluster"], object: string, change: object): Promise<string> {
  return cluster.kubectl("-n", NAMESPACE, "patch", object, "--type=merge", "-p", JSON.stringify(change));
}
