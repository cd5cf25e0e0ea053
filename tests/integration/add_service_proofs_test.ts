/** What holds of every command that changes something, of `add-service` and `remove-service`. */
import { command as add } from "../../cmd/add_service.ts";
import { command as remove } from "../../cmd/remove_service.ts";
import { proveAdminCommand } from "./admin_cut_points.ts";
import { GOLDEN, webService } from "./run_scene.ts";

proveAdminCommand({
  name: "add-service, as it is",
  command: add,
  args: ["web", "--krun-image", GOLDEN, "--no-verify"],
  undo: { command: remove, args: ["web", "--namespace", "shop"] },
  prepare: (world) => webService(world),
  /** The gate's routes need not be looked at, and the Gateway API is not everybody's. */
  mayLack: /pods|list httproutes/,
});
