/** What holds of every command that changes something, of `register-service` and `unregister-service`. */
import { command as register } from "../../cmd/register_service.ts";
import { command as unregister } from "../../cmd/unregister_service.ts";
import { proveAdminCommand } from "./admin_cut_points.ts";
import { cloudRunService, shop } from "./register_scene.ts";

/** The gate's routes need not be looked at, and the Gateway API is not everybody's. */
const MAY_LACK = /pods|list httproutes/;

proveAdminCommand({
  name: "register-service, a new one",
  command: register,
  args: ["web", "--namespace", "shop"],
  undo: { command: unregister, args: ["web", "--namespace", "shop"] },
  prepare(world) {
    shop(world);
    cloudRunService(world);
  },
  mayLack: MAY_LACK,
});

proveAdminCommand({
  name: "register-service, two regions by a person's Service",
  command: register,
  args: ["web", "--namespace", "shop", "--region", "us-central1=3,europe-west1=1"],
  undo: { command: unregister, args: ["web", "--namespace", "shop"] },
  prepare(world) {
    shop(world);
    cloudRunService(world);
    cloudRunService(world, { region: "europe-west1" });
    world.put("services", {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web", namespace: "shop", annotations: { theirs: "x" } },
      spec: { ports: [{ name: "http", port: 80 }], selector: { app: "web" } },
    });
  },
  mayLack: MAY_LACK,
  atLength: ["cut off"],
  proofs: ["repeated", "cut off", "editors", "undo"], // the rest would be the same again, with more requests
});
