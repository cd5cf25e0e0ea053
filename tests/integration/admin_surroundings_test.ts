/** What an administrator's machine says by itself: who is signed in, which cluster, which namespace. */
import assert from "node:assert/strict";
import { command as register } from "../../cmd/register_service.ts";
import { command as setup } from "../../cmd/setup_namespace.ts";
import { type AdminWorld, CLUSTER, PROJECT, REGION, runCommand, startAdminWorld } from "./admin_world.ts";
import { cloudRunService, made, shop } from "./register_scene.ts";

const REGISTER = ["web", "--gate-ip", "10.0.0.9"];

async function inWorld(test: (world: AdminWorld) => Promise<void>): Promise<void> {
  await using world = await startAdminWorld();
  shop(world);
  cloudRunService(world);
  await test(world);
}

/** As `kubectl config set-context --current --namespace` would. */
async function setNamespace({ environment }: AdminWorld, namespace: string): Promise<void> {
  const path = environment["KUBECONFIG"]!;
  const config = JSON.parse(await Deno.readTextFile(path));
  config.contexts[0].context.namespace = namespace;
  await Deno.writeTextFile(path, JSON.stringify(config));
}

Deno.test("the namespace is kubectl's: --namespace, the kubeconfig's, default", () =>
  inWorld(async (world) => {
    const inDefault = await runCommand(world, register, REGISTER, { isDryRun: true });
    assert.equal(inDefault.steps[0]!.subject, "Service default/web");
    assert.match(
      inDefault.warnings.join(),
      /is a workload of namespace shop, by its account k8s-shop@.*--namespace shop/,
    );
    await setNamespace(world, "shop");
    const { warnings } = await runCommand(world, register, REGISTER);
    assert(made(world).includes("Service web"));
    assert(!warnings.join().includes("is a workload of namespace"));
    const named = await runCommand(world, register, [...REGISTER, "--namespace", "default"], { isDryRun: true });
    assert.equal(named.steps[0]!.subject, "Service default/web");
  }));

Deno.test("the cluster is the kubeconfig's, --cluster wherever it is, or gcloud's container/cluster where nothing else says one", () =>
  inWorld(async (world) => {
    const { KUBECONFIG: _, ...bare } = world.environment;
    const register1 = (environment: Record<string, string>, ...flags: string[]) =>
      runCommand(world, register, [...REGISTER, "--namespace", "shop", ...flags], { environment, isDryRun: true });
    await assert.rejects(register1(bare), /no container\/cluster of gcloud's\n {2}do: --cluster NAME/);
    const configured = { ...bare, CLOUDSDK_CONTAINER_CLUSTER: CLUSTER };
    for (const outcome of [await register1(bare, "--cluster", CLUSTER), await register1(configured)]) {
      assert.equal(outcome.steps[0]!.subject, "Service shop/web");
    }
    const broken = { ...world.environment, KUBECONFIG: "/nonexistent" };
    assert.equal((await register1(broken, "--cluster", CLUSTER)).steps[0]!.subject, "Service shop/web");
    const other = new RegExp(
      `find GKE cluster nope in project ${PROJECT}\\n {2}got: .*it has ${CLUSTER} in ${REGION}\\n`,
    );
    await assert.rejects(register1(bare, "--cluster", "nope"), other);
  }));

Deno.test("who is not signed in to Google hears how to be, and not of a metadata server's paths", () =>
  inWorld(async (world) => {
    const nobody = {
      ...world.environment,
      CLOUDSDK_CONFIG: `${world.directory}/nothing`,
      CLOUDSDK_CORE_PROJECT: PROJECT,
      CLOUDSDK_RUN_REGION: REGION,
      GCE_METADATA_HOST: "127.0.0.1:9", // nobody is there
    };
    const said =
      /^find Google credentials\n {2}got: no GOOGLE_APPLICATION_CREDENTIALS, .*\n {2}do: gcloud auth application-default login/;
    for (const [command, args] of [[setup, ["shop"]], [register, [...REGISTER, "--namespace", "shop"]]] as const) {
      await assert.rejects(
        runCommand(world, command, args, { environment: nobody }),
        (error: Error) => said.test(error.message),
      );
    }
    assert.deepEqual(made(world), []);
  }));
