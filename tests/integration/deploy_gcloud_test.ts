/** What `deploy --print` prints, read by the real gcloud: it has a command that reads a command line and runs nothing. */
import assert from "node:assert/strict";
import { deployCommands, shellText } from "../../lib/admin/cloud_run/deploy_command.ts";
import { hasGcloud, PROVES_ALL } from "./admin_proofs.ts";

const WISH = {
  image: "us-docker.pkg.dev/p/r/web:1",
  namespace: "shop",
  serviceAccount: "web@my-project.iam.gserviceaccount.com",
  env: { A: "1,2", B: "it's x=y" },
  ports: [{ name: "http", port: 3000 }],
  concurrency: 10,
  timeoutMs: 900_000,
  cpu: "2",
  memory: "1Gi",
  minInstances: 0,
  maxInstances: 9,
  isGen1: false,
  isOpen: true,
};

Deno.test({
  name: "deploy --print: gcloud reads every flag as it is meant",
  ignore: !hasGcloud,
  async fn() {
    const directory = await Deno.makeTempDir();
    const read = async (commandLine: string) => {
      const { stdout } = await new Deno.Command("gcloud", {
        args: ["meta", "lint-gcloud-commands", `--command-string=${commandLine}`],
        env: { CLOUDSDK_CONFIG: directory, CLOUDSDK_CORE_DISABLE_PROMPTS: "1" },
      }).output();
      const [told] = JSON.parse(new TextDecoder().decode(stdout));
      return told as {
        success: boolean;
        error_message: string | null;
        command_args: Record<string, { value: string }>;
      };
    };
    try {
      const place = { project: "my-project", region: "us-central1", service: "web" };
      const ways = [{ network: "n", subnet: "s" }, { connector: "c" }].slice(0, PROVES_ALL ? 2 : 1);
      const [direct, connector] = await Promise.all(
        ways.map((vpc) => read(shellText(deployCommands(place, WISH, vpc).gcloud).replaceAll("\\\n", ""))),
      );
      for (const told of [direct!, connector ?? direct!]) {
        assert.deepEqual([told.success, told.error_message], [true, null]);
      }
      const valueOf = (flag: string) => direct!.command_args[flag]?.value;
      assert.equal(valueOf("SERVICE"), "web");
      assert.equal(valueOf("--update-env-vars"), "^::^WORKLOAD_NAMESPACE=shop::PORT_http=3000::A=1,2::B=it's x=y");
      assert.equal(
        valueOf("--startup-probe"),
        "periodSeconds=2,timeoutSeconds=1,failureThreshold=120,tcpSocket.port=15009",
      );
      if (connector) assert.equal(connector.command_args["--vpc-connector"]?.value, "c");
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
