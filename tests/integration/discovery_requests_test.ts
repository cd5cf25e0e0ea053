/** How many requests discovery makes and when: what does not depend on each other at once, again where that can help. */
import assert from "node:assert/strict";
import { discover } from "../../lib/cluster/mod.ts";
import { controlPlaneOf } from "../../lib/mesh/mod.ts";
import type { FaultRule, Faults } from "../emulators/faults.ts";
import { kubeconfigOf } from "../emulators/kubeconfig.ts";
import { startWorld, type World } from "../emulators/world.ts";
import { find } from "./discovery_scene.ts";
import { withDirectory } from "./krun_process.ts";
import { delayAll, wavesOf } from "./waves.ts";

const DELAY_MS = 100;

/** Discovery, and the token that a start asks for next. */
async function findAndAsk(world: World): Promise<void> {
  const { settings, kube } = await discover({ environment: world.environment, flags: {} });
  using used = kube!;
  await used.serviceAccountToken(
    { namespace: settings.namespace, name: "default" },
    controlPlaneOf(settings).audience,
    600,
  );
}

Deno.test("discovery: four round trips in depth, the token included", async () => {
  await using world = await startWorld();
  await findAndAsk(world); // loads what is loaded once
  delayAll(world, DELAY_MS);
  await findAndAsk(world);
  assert.deepEqual(wavesOf(world, DELAY_MS), [
    ["email", "id", "numeric-project-id", "project-id", "region", "token"],
    ["clusters", "demo-project"],
    ["mesh-env", "mesh-env"],
    ["token"],
  ]);
});

interface Repeat {
  name: string;
  of: (world: World) => { faults: Faults };
  rule: FaultRule;
  /** How many requests that match there are in the end. */
  requests: number;
  /** Least time between the first and the second. */
  leastMs?: number;
  fails?: RegExp;
}

const gke = ({ gke }: World) => gke;
const metadata = ({ metadata }: World) => metadata;
const labels = ({ resourceManager }: World) => resourceManager;
const server = ({ kubernetes }: World) => kubernetes;
const LIST = /clusters$/;
const TOKEN = /service-accounts\/default\/token$/;
const MAP = /istio-system\/configmaps/;

/** Retry-After counts whole seconds; half of one is enough to tell it from the usual 100 to 200 ms. */
const REPEATS: Repeat[] = [
  {
    name: "GKE: 429 waits as long as it says",
    of: gke,
    rule: { match: LIST, times: 1, status: 429, headers: { "retry-after": "0.5" } },
    requests: 2,
    leastMs: 500,
  },
  { name: "GKE: 429 without a time", of: gke, rule: { match: LIST, times: 1, status: 429 }, requests: 2, leastMs: 90 },
  { name: "GKE: 503 twice", of: gke, rule: { match: LIST, times: 2, status: 503 }, requests: 3, leastMs: 90 },
  { name: "GKE: a connection that breaks", of: gke, rule: { match: LIST, times: 1, action: "reset" }, requests: 2 },
  { name: "GKE: 503 for good", of: gke, rule: { match: LIST, status: 503 }, requests: 4, fails: /got: 503/ },
  ...[400, 401, 403, 404, 409].map((status) => ({
    name: `GKE: never after ${status}`,
    of: gke,
    rule: { match: LIST, status },
    requests: 1,
    fails: new RegExp(`got: ${status}`),
  })),
  {
    name: "metadata server: 503, usual early in an instance's life",
    of: metadata,
    rule: { match: TOKEN, times: 2, status: 503, headers: { "metadata-flavor": "Google" } },
    requests: 3,
  },
  { name: "metadata server: 429", of: metadata, rule: { match: /project-id$/, times: 1, status: 429 }, requests: 3 },
  {
    name: "metadata server: never after 403",
    of: metadata,
    rule: { match: /region$/, status: 403 },
    requests: 1,
    fails: /Metadata-Flavor header/,
  },
  { name: "labels: 503 once", of: labels, rule: { match: /./, times: 1, status: 503 }, requests: 2 },
  { name: "labels: 503 for good; they are left out", of: labels, rule: { match: /./, status: 503 }, requests: 2 },
  { name: "labels: never after 403; they are left out", of: labels, rule: { match: /./, status: 403 }, requests: 1 },
  { name: "mesh-env: 503 once", of: server, rule: { match: MAP, times: 1, status: 503 }, requests: 2 },
  {
    name: "mesh-env: 429 with a time",
    of: server,
    rule: { match: MAP, times: 1, status: 429, headers: { "retry-after": "0.5" } },
    requests: 2,
    leastMs: 500,
  },
  {
    name: "mesh-env: a connection that breaks",
    of: server,
    rule: { match: MAP, times: 1, action: "reset" },
    requests: 2,
  },
  { name: "mesh-env: never after 401", of: server, rule: { match: MAP, status: 401 }, requests: 1, fails: /got: 401/ },
  { name: "mesh-env: never after 403", of: server, rule: { match: MAP, status: 403 }, requests: 1, fails: /got: 403/ },
  {
    name: "mesh-env: never after 404, which says there is none",
    of: server,
    rule: { match: MAP, status: 404 },
    requests: 1,
  },
];

for (const { name, of, rule, requests, leastMs, fails } of REPEATS) {
  Deno.test(`again or not: ${name}`, async () => {
    await using world = await startWorld();
    const { faults } = of(world);
    faults.add(rule);
    if (fails) await assert.rejects(find(world), fails);
    else await find(world);
    const seen = faults.seen(rule.match as RegExp);
    assert.equal(seen.length, requests);
    if (leastMs) assert(seen[1]!.at - seen[0]!.at >= leastMs, `${seen[1]!.at - seen[0]!.at} ms`);
  });
}

Deno.test("a metadata server that is silent: a short wait with a kubeconfig outside of Google, a longer one on Cloud Run", async () => {
  await using world = await startWorld();
  await withDirectory(async (directory) => {
    const path = `${directory}/kubeconfig`;
    await Deno.writeTextFile(path, kubeconfigOf(world, "demo"));
    for (
      const [more, expected] of [[{}, "no answer within 100 ms"], [
        { K_SERVICE: "x" },
        "no answer within 500 ms",
      ]] as const
    ) {
      const reasons = new Set<string>();
      const silent = (url: string | URL | Request, init: RequestInit = {}) => {
        if (!String(url).includes("169.254.169.254")) return fetch(url, init);
        return new Promise<Response>((_, reject) => {
          init.signal!.addEventListener("abort", () => {
            reasons.add(init.signal!.reason.message);
            reject(init.signal!.reason);
          });
        });
      };
      const { kube, facts } = await discover({ environment: { KUBECONFIG: path, ...more }, flags: {}, fetch: silent });
      kube![Symbol.dispose]();
      assert.deepEqual([facts, [...reasons]], [undefined, [expected]]);
    }
  });
});
