/** setup-namespace and teardown-namespace under everything that can come between, in worlds where all is new and where nothing is. */
import { command as setup } from "../../cmd/setup_namespace.ts";
import { command as teardown } from "../../cmd/teardown_namespace.ts";
import { proveAdminCommand } from "./admin_cut_points.ts";
import { lived } from "./namespace_scene.ts";

/** What only makes warnings better. */
const mayLack = /^(?:serviceusage\.services\.get|run\.services\.list)$/;

proveAdminCommand({
  name: "setup-namespace, nothing there",
  command: setup,
  args: ["shop", "--ksa", "worker"],
  undo: { command: teardown, args: ["shop"] },
  mayLack,
});

proveAdminCommand({
  name: "setup-namespace, all there by people",
  command: setup,
  args: ["shop", "--ksa", "app"],
  undo: { command: teardown, args: ["shop"] },
  prepare: lived,
  mayLack,
  proofs: ["repeated", "cut off", "editors", "undo"],
  atLength: ["cut off"],
});

proveAdminCommand({
  name: "setup-namespace, another's account",
  command: setup,
  args: ["shop", "--service-account", "hgate@demo-project.iam.gserviceaccount.com", "--no-iam"],
  undo: { command: teardown, args: ["shop"] },
  mayLack,
  proofs: ["repeated", "undo"],
});

proveAdminCommand({
  name: "setup-namespace, outside Google Cloud",
  command: setup,
  args: ["shop", "--user", "jane", "--mesh-revision", "canary"],
  undo: { command: teardown, args: ["shop"] },
  proofs: ["repeated", "undo"],
});
