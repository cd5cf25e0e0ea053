/** The real gcloud against the emulated IAM, Resource Manager, Service Usage and GKE: they are no mirror of this project's own mistakes. */
import assert from "node:assert/strict";
import { VIEWER } from "../../lib/admin/namespace/google_goals.ts";
import { command as setup } from "../../cmd/setup_namespace.ts";
import { hasGcloud, PROVES_ALL } from "./admin_proofs.ts";
import { ADMIN, type AdminWorld, GATE_ACCOUNT, PROJECT, runCommand, startAdminWorld } from "./admin_world.ts";

/** Runs gcloud as a person who is signed in; with endpoint overrides as the world has them. */
async function gcloud(world: AdminWorld, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { HOME: _, ...environment } = world.environment;
  const tokenFile = `${world.directory}/access-token`;
  await Deno.writeTextFile(tokenFile, world.accessTokens.issue(ADMIN));
  const { code, stdout, stderr } = await new Deno.Command("gcloud", {
    args: [...args, "--project", PROJECT],
    env: {
      ...environment,
      CLOUDSDK_CONFIG: `${world.directory}/gcloud-itself`,
      CLOUDSDK_AUTH_ACCESS_TOKEN_FILE: tokenFile,
      CLOUDSDK_CORE_DISABLE_PROMPTS: "1",
      CLOUDSDK_CORE_DISABLE_USAGE_REPORTING: "1",
      CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK: "1",
    },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function json(world: AdminWorld, ...args: string[]) {
  const { code, stdout, stderr } = await gcloud(world, ...args, "--format", "json");
  assert.equal(code, 0, `gcloud ${args.join(" ")}: ${stderr}`);
  return JSON.parse(stdout);
}

Deno.test({
  name: "gcloud gives a role under a condition beside the one that setup-namespace gave",
  ignore: !hasGcloud,
  async fn() {
    await using world = await startAdminWorld();
    await runCommand(world, setup, ["shop"]);
    const condition = 'expression=request.time < timestamp("2040-01-01T00:00:00Z"),title=until 2040';
    const member = `serviceAccount:${GATE_ACCOUNT}`;
    const { version, bindings } = await json(
      world,
      ...[
        "projects",
        "add-iam-policy-binding",
        PROJECT,
        "--member",
        member,
        "--role",
        VIEWER,
        "--condition",
        condition,
      ],
    );
    assert.equal(version, 3);
    const found = (bindings as { role: string; members: string[]; condition?: { title: string } }[])
      .filter(({ role }) => role === VIEWER).map(({ members, condition }) => [members, condition?.title]);
    const own = `serviceAccount:k8s-shop@${PROJECT}.iam.gserviceaccount.com`;
    assert.deepEqual(found, [[[own], undefined], [[member], "until 2040"]]);
  },
});

Deno.test({
  name: "gcloud makes an account, gives it roles with and without a condition, and sees what setup-namespace made",
  ignore: !hasGcloud || !PROVES_ALL, // each gcloud takes a second
  async fn() {
    await using world = await startAdminWorld();
    await runCommand(world, setup, ["shop"]);
    const own = `k8s-shop@${PROJECT}.iam.gserviceaccount.com`;
    const email = `by-gcloud@${PROJECT}.iam.gserviceaccount.com`;
    const member = `serviceAccount:${email}`;
    const create = ["iam", "service-accounts", "create", "by-gcloud", "--description", "made by gcloud"];
    await json(world, ...create);
    const condition = 'expression=request.time < timestamp("2040-01-01T00:00:00Z"),title=until 2040';
    const bind = ["projects", "add-iam-policy-binding", PROJECT, "--member", member, "--role"];
    await json(world, ...bind, "roles/browser", "--condition", condition);
    await json(world, ...bind, VIEWER, "--condition", "None");
    const [again, seen, ours, policy, services, clusters] = await Promise.all([
      gcloud(world, ...create),
      json(world, "iam", "service-accounts", "describe", email),
      json(world, "iam", "service-accounts", "describe", own),
      json(world, "projects", "get-iam-policy", PROJECT),
      json(world, "services", "list", "--enabled"),
      json(world, "container", "clusters", "list"),
    ]);
    assert.match(again.stderr, /Service account by-gcloud already exists within project projects\/demo-project/);
    assert.deepEqual([seen.email, seen.description], [email, "made by gcloud"]);
    assert.equal(ours.description, "Made by cloud-run-mesh for namespace shop");
    assert.equal(policy.version, 3);
    const bindings = policy.bindings as { role: string; members: string[]; condition?: { title: string } }[];
    const viewer = bindings.find(({ role }) => role === VIEWER)!;
    assert.deepEqual(viewer.members.toSorted(), [member, `serviceAccount:${own}`]);
    assert.equal(bindings.find(({ role }) => role === "roles/browser")!.condition!.title, "until 2040");
    assert.deepEqual(
      clusters.map(({ name, status }: { name: string; status: string }) => [name, status]),
      world.gke.state.clusters.map(({ name }) => [name, "RUNNING"]),
    );
    assert(services.some(({ config }: { config: { name: string } }) => config.name === "run.googleapis.com"));
  },
});
