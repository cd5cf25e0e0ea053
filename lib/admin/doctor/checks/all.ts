import type { Check } from "../check.ts";
import { CLUSTER, COMMAND_RIGHTS } from "./cluster.ts";
import { CONTAINER } from "./container.ts";
import { GATE, NAMES } from "./gate.ts";
import { GOOGLE } from "./google.ts";
import { ISTIOD } from "./istiod.ts";
import { MESH_ENV } from "./mesh_env.ts";
import { NAMESPACE } from "./namespace.ts";
import { REGISTRATION } from "./registration.ts";
import { SERVICE } from "./service.ts";

/** Every check, those that may explain others first. */
export const CHECKS: readonly Check[] = [
  ...GOOGLE,
  ...CLUSTER,
  ...COMMAND_RIGHTS,
  ...SERVICE,
  ...NAMESPACE,
  ...GATE,
  ...MESH_ENV,
  ...ISTIOD,
  NAMES,
  ...REGISTRATION,
  ...CONTAINER,
];
