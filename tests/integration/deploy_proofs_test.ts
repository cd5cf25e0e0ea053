/** What holds of every command that changes something, of `deploy`. */
import { command as deploy } from "../../cmd/deploy.ts";
import { proveAdminCommand } from "./admin_cut_points.ts";
import { webService } from "./run_scene.ts";

const IMAGE = "us-docker.pkg.dev/p/r/web-mesh:1";

proveAdminCommand({
  name: "deploy, a new service",
  command: deploy,
  args: ["web", "--image", IMAGE, "--namespace", "shop", "--network", "default", "--subnet", "s", "--env", "A=1"],
  prepare: ({ cloudRun: { state } }) => void (state.pollsUntilDone = 1),
});

proveAdminCommand({
  name: "deploy, over one that is there",
  command: deploy,
  args: ["web", "--image", IMAGE, "--concurrency", "10", "--allow-unauthenticated"],
  prepare: (world) => webService(world),
});
