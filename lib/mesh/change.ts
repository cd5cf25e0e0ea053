import { type Settings, TABLE } from "../settings/mod.ts";
import { type ControlPlane, controlPlaneOf, rootsOf } from "./control_plane.ts";

/** What a workload that runs has of its mesh. */
export interface MeshState {
  settings: Settings;
  controlPlane: ControlPlane;
  /** PEM; empty where the system's roots are meant. */
  roots: string;
}

/** What another mesh-env means for it. */
export interface MeshChange {
  to: MeshState;
  newRoots: boolean;
  newControlPlane: boolean;
  /** Variables that only a new start of krun can take. */
  later: string[];
}

/** Settings that only choose the control plane; all others have gone into files, rules and processes at the start. */
const LIVE = [
  "xdsAddress",
  "meshTenant",
  "internalGate",
  "externalGate",
  "trustDomain",
  "ossIstio",
  "clusterId",
] as const;

/**
 * Takes from `read`, settled anew from a changed mesh-env, what can be changed under a running app: control plane and roots.
 * @throws {Problem} `read` names no control plane or no root any more
 */
export function meshChange(from: MeshState, read: Settings): MeshChange {
  const later = changedVariables(from.settings, read);
  // To leave the mesh is another life: the proxy is gone then, and the app's variables with it.
  const leaves = read.xdsAddress === "-";
  if (leaves) later.push(TABLE.xdsAddress.variable);
  const live = leaves ? {} : Object.fromEntries(LIVE.map((name) => [name, read[name]]));
  const settings: Settings = { ...from.settings, ...live, caRoots: read.caRoots };
  const controlPlane = leaves ? from.controlPlane : controlPlaneOf(settings);
  const roots = rootsOf(settings, controlPlane);
  return {
    to: { settings, controlPlane, roots },
    newRoots: roots !== from.roots,
    newControlPlane: JSON.stringify(controlPlane) !== JSON.stringify(from.controlPlane),
    later: later.sort(),
  };
}

function changedVariables(from: Settings, to: Settings): string[] {
  const live: readonly string[] = LIVE;
  const known = Object.entries(TABLE)
    .filter(([name]) => !live.includes(name) && from[name as keyof typeof TABLE] !== to[name as keyof typeof TABLE])
    .map(([, { variable }]) => variable);
  const ports = differentKeys(from.namedPorts, to.namedPorts).map((name) => `PORT_${name}`);
  return [...new Set([...known, ...ports, ...differentKeys(from.others, to.others)])];
}

function differentKeys(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => a[key] !== b[key]);
}
