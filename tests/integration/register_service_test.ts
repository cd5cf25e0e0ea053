/** `register-service` and `unregister-service` against the emulated Cloud Run and API server. */
import { command as register } from "../../cmd/register_service.ts";
import { command as unregister } from "../../cmd/unregister_service.ts";
import { runService } from "../emulators/cloud_run.ts";
import { proveAdminCommand } from "./admin_cut_points.ts";
import { type AdminWorld, PROJECT, PROJECT_NUMBER, REGION } from "./admin_world.ts";

const MAY_LACK = /pods|list httproutes/;

function prepare({ cloudRun, put }: AdminWorld, ...regions: string[]): void {
  for (const region of [REGION, ...regions]) {
    const uri = `https://web-abcdefghij-${region}.a.run.app`;
    const fields = { uri, urls: [uri], etag: "as-it-is" }; // without an etag the emulator would fill it in when it is read
    const service = runService({ project: PROJECT, projectNumber: PROJECT_NUMBER, region, service: "web", fields });
    cloudRun.state.services.push(service);
    if (region !== REGION) cloudRun.state.regions.push(region);
  }
  put("namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
}

proveAdminCommand({
  name: "register-service",
  command: register,
  args: ["web", "--namespace", "shop"],
  undo: { command: unregister, args: ["web", "--namespace", "shop"] },
  prepare,
  mayLack: MAY_LACK,
});
