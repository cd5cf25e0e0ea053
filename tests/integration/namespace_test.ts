/** setup-namespace and teardown-namespace: what they refuse, warn of, wait for and say; the program as a child process. */
import assert from "node:assert/strict";
import { command as setup } from "../../cmd/setup_namespace.ts";
import { command as teardown } from "../../cmd/teardown_namespace.ts";
import { Problem, UsageError } from "../../lib/base/errors.ts";
import { VIEWER } from "../../lib/admin/namespace/google_goals.ts";
import { runService } from "../emulators/cloud_run.ts";
import { hooked } from "./admin_requests.ts";
import {
  ADMIN,
  type AdminWorld,
  CLUSTER,
  PROJECT,
  PROJECT_NUMBER,
  REGION,
  runCommand,
  startAdmin,
  startAdminWorld,
} from "./admin_world.ts";
import { EMAIL, lived, MEMBER, putNamespace } from "./namespace_scene.ts";

interface Refusal {
  name: string;
  args?: string[];
  prepare?: (world: AdminWorld) => void;
  /** Of the message, `do:` and all. */
  says: RegExp;
}

/** Runs it against a world in which it is refused; nothing may have been written. */
async function refused(command: typeof setup, { args = ["shop"], prepare, says }: Refusal): Promise<void> {
  await using world = await startAdminWorld();
  if (command === teardown) await runCommand(world, setup, ["shop"]);
  prepare?.(world);
  const { fetch, sent } = hooked(world);
  await assert.rejects(
    runCommand(world, command, args, { fetch }),
    (error) => error instanceof Problem && says.test(error.message) || assert.fail(String(error)),
  );
  assert.deepEqual(sent.filter(({ isWrite }) => isWrite), []);
}

const SETUP_REFUSALS: Refusal[] = [
  { name: "a name that is none", args: ["Shop_1"], says: /no name of a namespace/ },
  {
    name: "a named account that is not there",
    args: ["shop", "--service-account", `web@${PROJECT}.iam.gserviceaccount.com`],
    says: new RegExp(
      `there is none in project ${PROJECT}\\n  do: gcloud iam service-accounts create web --project ${PROJECT}`,
    ),
  },
  {
    name: "no Istio",
    prepare: ({ kubernetes }) => kubernetes.state.missingKinds.add("workloadgroups.networking.istio.io"),
    says:
      /does not know WorkloadGroup of networking\.istio\.io\/v1\n {2}do: install Istio .*kubectl get crd workloadgroups\.networking\.istio\.io/,
  },
  {
    name: "a namespace that is going",
    prepare(world) {
      putNamespace(world, "shop");
      const row = world.kubernetes.objects.row("namespaces", undefined, "shop")!;
      world.put("namespaces", {
        ...row.object,
        metadata: { ...row.object.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" },
      });
    },
    says: /it is being deleted\n {2}do: kubectl wait/,
  },
  {
    name: "a field that somebody else holds",
    prepare(world) {
      lived(world);
      const { object } = world.kubernetes.objects.row("roles", "shop", `gsa-${PROJECT}`)!;
      world.put("roles", { ...object, rules: [] }, "kubectl-edit");
    },
    says: /apply Role shop\/gsa-demo-project .*\n {2}got: \.rules belongs to kubectl-edit/,
  },
  {
    name: "an API that is not switched on",
    prepare: ({ iam }) =>
      iam.faults.add({
        match: /serviceAccounts/,
        status: 403,
        body:
          '{"error":{"code":403,"message":"Identity and Access Management (IAM) API has not been used in project demo-project before or it is disabled.","status":"PERMISSION_DENIED","details":[{"reason":"SERVICE_DISABLED"}]}}',
      }),
    says: new RegExp(`do: gcloud services enable iam\\.googleapis\\.com --project ${PROJECT}`),
  },
];
for (const refusal of SETUP_REFUSALS) {
  Deno.test(`setup-namespace refuses: ${refusal.name}`, () => refused(setup, refusal));
}

const put =
  (resource: string, apiVersion: string, kind: string, name: string, more: object = {}) => (world: AdminWorld) =>
    world.put(resource, { apiVersion, kind, metadata: { name, namespace: "shop", ...more } });

const USES: Refusal[] = [
  {
    name: "a registered service",
    prepare: put("services", "v1", "Service", "web", { labels: { "mesh-cloudrun": "web" } }),
    says: /service web is registered there: cloud-run-mesh unregister-service web --namespace shop/,
  },
  {
    name: "a workload of the mesh",
    prepare: put("workloadentries", "networking.istio.io/v1", "WorkloadEntry", "vm-1"),
    says: /workloads are part of the mesh there: vm-1/,
  },
  {
    name: "a pod with a sidecar",
    prepare: put("pods", "v1", "Pod", "a-1", { annotations: { "sidecar.istio.io/status": "{}" } }),
    says: /pods there have sidecars by its label: a-1/,
  },
  {
    name: "things that would go with the namespace",
    prepare(world) {
      for (const name of ["a", "b", "c", "d", "e", "f"]) put("configmaps", "v1", "ConfigMap", name)(world);
      put("secrets", "v1", "Secret", "token", { annotations: { "kubernetes.io/service-account.name": "default" } })(
        world,
      );
      put("pods", "v1", "Pod", "web-1", { ownerReferences: [{ kind: "ReplicaSet", name: "web", controller: true }] })(
        world,
      );
    },
    says:
      /it holds what would go with it: ConfigMap\/a, ConfigMap\/b, ConfigMap\/c, ConfigMap\/d, ConfigMap\/e and 1 more\n/,
  },
  {
    name: "another role of the account",
    prepare: ({ policy }) =>
      policy.edit((bindings) => bindings.push({ role: "roles/storage.admin", members: [MEMBER] })),
    says:
      /was given roles\/storage\.admin: gcloud projects remove-iam-policy-binding demo-project .* --role roles\/storage\.admin/,
  },
  {
    name: "a Cloud Run service that runs as the account",
    prepare: ({ cloudRun }) =>
      void cloudRun.state.services.push(
        runService({
          project: PROJECT,
          projectNumber: PROJECT_NUMBER,
          region: REGION,
          service: "web",
          fields: { template: { serviceAccount: EMAIL } },
        }),
      ),
    says: /Cloud Run service web in us-central1 runs as k8s-shop@/,
  },
];
for (const use of USES) {
  Deno.test(`teardown-namespace refuses, and --force does not: ${use.name}`, async () => {
    await refused(teardown, use);
    await using world = await startAdminWorld();
    await runCommand(world, setup, ["shop"]);
    use.prepare!(world);
    const { warnings } = await runCommand(world, teardown, ["shop", "--force"]);
    assert(warnings.some((warning) => use.says.test(`${warning}\n`)), warnings.join("\n"));
    assert.equal(world.kubernetes.objects.row("namespaces", undefined, "shop"), undefined);
  });
}

Deno.test("setup-namespace: warns of APIs that are off, of a person's labels, of a missing istio-system, and goes on", async () => {
  await using world = await startAdminWorld();
  putNamespace(world, "shop", { "istio-injection": "disabled", "cloud-run-mesh/auto-registration": "disabled" });
  world.serviceUsage.state.enabled.delete("run.googleapis.com");
  for (const name of ["mesh-env", "istio-ca-root-cert"]) {
    world.kubernetes.objects.delete("configmaps", "istio-system", name);
  }
  world.kubernetes.objects.delete("namespaces", undefined, "istio-system");
  const { warnings, steps } = await runCommand(world, setup, ["shop", "--mesh-revision", "canary"]);
  const said = warnings.join("\n");
  assert.match(said, /istio-injection=disabled by somebody else, and keeps it; istio\.io\/rev=canary was asked for/);
  assert.match(said, /auto-registration=disabled by somebody else/);
  assert.match(
    said,
    /run\.googleapis\.com is not switched on: gcloud services enable run\.googleapis\.com --project demo-project/,
  );
  assert.match(said, /no namespace istio-system/);
  assert.equal(warnings.length, 4);
  assert(!steps.some(({ subject }) => subject.includes("istio-system")));
  const { labels } = world.kubernetes.objects.row("namespaces", undefined, "shop")!.object.metadata;
  assert.deepEqual(labels, {
    "kubernetes.io/metadata.name": "shop",
    "istio-injection": "disabled",
    "cloud-run-mesh/auto-registration": "disabled",
  });
});

Deno.test("setup-namespace: another revision later is a change of one label", async () => {
  await using world = await startAdminWorld();
  await runCommand(world, setup, ["shop"]);
  const { steps } = await runCommand(world, setup, ["shop", "--mesh-revision", "canary"]);
  const changed = steps.filter(({ action }) => action !== "none");
  assert.deepEqual(changed.map(({ subject }) => subject), ["Namespace shop"]);
  assert.deepEqual(changed[0]!.differences, [
    { path: 'metadata.labels["istio.io/rev"]', to: "canary" },
    { path: "metadata.labels.istio-injection", from: "enabled" },
  ]);
});

Deno.test("setup-namespace: for somebody else than before, it is refused", async () => {
  await using world = await startAdminWorld();
  await runCommand(world, setup, ["shop"]);
  const other: [args: string[], says: RegExp][] = [
    [
      ["--ksa", "app"],
      /set up for another Kubernetes service account default\n {2}do: cloud-run-mesh teardown-namespace shop/,
    ],
    [["--user", "jane"], /set up for another project demo-project/],
    [
      ["--service-account", "hgate@demo-project.iam.gserviceaccount.com"],
      /set up for another service account k8s-shop@/,
    ],
  ];
  for (const [args, says] of other) await assert.rejects(runCommand(world, setup, ["shop", ...args]), says);
});

Deno.test("setup-namespace: what krun cannot see by itself is said", async () => {
  await using world = await startAdminWorld();
  const long = "a-namespace-with-a-very-long-name-indeed";
  const { next } = await runCommand(world, setup, [long, "--no-iam", "--ksa", "app"]);
  const email = world.iam.state.serviceAccounts.at(-1)!.email;
  assert.match(email, /^k8s-a-namespace-with-[0-9a-f]{8}@demo-project\.iam\.gserviceaccount\.com$/);
  assert.match(
    next[0]!,
    new RegExp(`gcloud projects add-iam-policy-binding .*serviceAccount:${email} --role ${VIEWER}`),
  );
  assert.match(next[1]!, new RegExp(`cloud-run-mesh deploy NAME --image IMAGE --namespace ${long} --ksa app$`));
  assert.match(next[2]!, new RegExp(`--set-env-vars WORKLOAD_NAMESPACE=${long},WORKLOAD_SERVICE_ACCOUNT=app`));
  assert.match(next.at(-1)!, new RegExp(`add-service NAME --namespace ${long} --service-account ${email} --ksa app$`));
  assert(world.policy.bindings.every(({ role }) => role !== VIEWER));
});

Deno.test("setup-namespace: without a project, Google Cloud is asked for or --user", async () => {
  await using world = await startAdminWorld();
  const { CLOUDSDK_CONFIG: _, ...environment } = world.environment;
  await assert.rejects(
    runCommand(world, setup, ["shop"], { environment }),
    (error) => error instanceof UsageError && /outside Google Cloud: --user NAME/.test(error.message),
  );
  const { fetch, sent } = hooked(world);
  await runCommand(world, setup, ["shop", "--user", "jane"], { environment, fetch });
  assert(sent.every(({ url }) => url.startsWith(world.kubernetes.origin)), "Google was asked");
});

Deno.test("setup-namespace: in a GKE cluster by name, with no kubeconfig and over the network", async () => {
  await using world = await startAdminWorld();
  const { KUBECONFIG: _, ...environment } = world.environment;
  await runCommand(world, setup, ["shop", "--cluster", CLUSTER, "--location", REGION], { environment, fetch });
  assert(world.kubernetes.objects.row("workloadgroups", "shop", `gsa-${PROJECT}`));
  assert(world.policy.has(VIEWER, MEMBER));
  const users = new Set(world.kubernetes.faults.requests.map(({ user }) => user));
  assert.deepEqual([...users], [ADMIN]);
});

Deno.test("setup-namespace: who may not bind Roles, and holds what is in them, can do it", async () => {
  await using world = await startAdminWorld();
  world.kubernetes.state.denied.push({ subject: ADMIN, verb: "bind" });
  const { steps } = await runCommand(world, setup, ["shop"]);
  assert.deepEqual(steps.filter(({ state }) => state !== "done"), []);
});

Deno.test("setup-namespace: an account that policies do not know yet is waited for", async () => {
  await using world = await startAdminWorld();
  world.iam.state.invisibleMs = 300;
  const { fetch, sent } = hooked(world);
  await runCommand(world, setup, ["shop"], { fetch });
  assert(world.policy.has(VIEWER, MEMBER));
  assert(sent.filter(({ url }) => url.endsWith(":setIamPolicy")).length > 1);
});

Deno.test("teardown-namespace: an account that a person made anew stays", async () => {
  await using world = await startAdminWorld();
  await runCommand(world, setup, ["shop"]);
  world.iam.state.serviceAccounts.splice(0, Infinity, world.iam.add("k8s-shop", { description: "a person's" }));
  await runCommand(world, teardown, ["shop"]);
  assert.deepEqual(world.iam.state.serviceAccounts.map(({ email }) => email), [EMAIL]);
});

Deno.test("teardown-namespace: of one that is not there, says how to find an account that is left", async () => {
  await using world = await startAdminWorld();
  const { steps, next } = await runCommand(world, teardown, ["shop"]);
  assert.deepEqual(steps.map(({ action }) => action), ["none"]);
  assert.match(next[0]!, /--filter 'description="Made by cloud-run-mesh for namespace shop"'$/);
});

Deno.test("teardown-namespace: waits until the namespace is gone, and says what holds it up", async () => {
  await using world = await startAdminWorld();
  await runCommand(world, setup, ["shop"]);
  world.kubernetes.state.namespaceEndMs = 150;
  const first = await runCommand(world, teardown, ["shop"], { timeoutMs: 60 });
  assert.match(first.steps.at(-1)!.detail!, /it is still going after 0\.06 s/);
  const { steps } = await runCommand(world, teardown, ["shop"]);
  assert.equal(steps.at(-1)!.state, "done");
  assert.equal(world.kubernetes.objects.row("namespaces", undefined, "shop"), undefined);
});

Deno.test("setup-namespace as a program: asks nobody without --yes, is interrupted with 130, completes, shows JSON", async () => {
  await using world = await startAdminWorld();
  const nobody = await startAdmin(world, "setup-namespace", ["shop"]).ended;
  assert.deepEqual([nobody.code, /--yes to make them/.test(nobody.stderr)], [2, true], nobody.stderr);

  world.kubernetes.faults.add({ match: /^PATCH .*rolebindings.*force=false$/, times: 1, action: "hang" });
  await using cut = startAdmin(world, "setup-namespace", ["shop", "--yes"]);
  await cut.said(/✓ created Role shop\/gsa-demo-project/);
  cut.kill("SIGINT");
  const { code, stdout } = await cut.ended;
  assert.equal(code, 130, stdout);
  assert.match(stdout, /failed: RoleBinding shop\/gsa-demo-project\n {2}interrupted: ended by SIGINT\n/);
  assert.match(
    stdout,
    /done before that:\n {2}Namespace shop\n {2}ConfigMap shop\/cloud-run-mesh-namespace\n {2}Google service account/,
  );

  const again = await startAdmin(world, "setup-namespace", ["shop", "--yes", "--output", "json"]).ended;
  assert.equal(again.code, 0, again.stderr);
  const { steps } = JSON.parse(again.stdout) as { steps: { subject: string; state: string }[] };
  assert.deepEqual(steps.slice(0, 4).map(({ state }) => state), ["unchanged", "unchanged", "unchanged", "unchanged"]);
  assert.equal(steps.find(({ subject }) => subject === "RoleBinding shop/gsa-demo-project")!.state, "done");
  for (const secret of ["refresh-token-of-admin", "secret-of-gcloud", "token-of-admin", "ya29."]) {
    for (const { stdout, stderr } of [nobody, await cut.ended, again]) {
      assert(!(stdout + stderr).includes(secret), secret);
    }
  }
});
