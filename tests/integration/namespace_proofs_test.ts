/** setup-namespace and teardown-namespace under everything that can come between, in worlds where all is new and where nothing is. */
import { command as setup } from "../../cmd/setup_namespace.ts";
import { command as teardown } from "../../cmd/teardown_namespace.ts";
import { proveAdminCommand } from "./admin_cut_points.ts";

const MAY_LACK = /^(?:serviceusage\.services\.get|run\.services\.list)$/;

proveAdminCommand({
  name: "setup-namespace, nothing there",
  command: setup,
  args: ["shop"],
  undo: { command: teardown, args: ["shop"] },
  mayLack: MAY_LACK,
});
