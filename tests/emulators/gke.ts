/**
 * The GKE API, container.googleapis.com: list clusters and get one.
 *
 * Wire facts: https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters
 */
import { Buffer } from "node:buffer";
import type { AccessTokens } from "./access_tokens.ts";
import { type GoogleApi, googleError, startGoogleApi } from "./google_api.ts";
import type { EmulatedAnswer } from "./http_server.ts";
import { jsonAnswer } from "./http_server.ts";

/** The fields of a cluster that this project reads, as the API spells them. */
export interface GkeCluster {
  name: string;
  /** A region or a zone. */
  location: string;
  status: "PROVISIONING" | "RUNNING" | "RECONCILING" | "STOPPING" | "ERROR" | "DEGRADED";
  /**
   * The API server. The real API gives a bare IP address, port 443 being meant; here it may be `127.0.0.1:PORT`, so that
   * an emulator needs no privileged port. `https://` + endpoint is a URL both ways.
   */
  endpoint: string;
  masterAuth: {
    /** PEM in base64. */
    clusterCaCertificate: string;
  };
  resourceLabels?: Record<string, string>;
  selfLink?: string;
  privateClusterConfig?: { privateEndpoint?: string; enablePrivateEndpoint?: boolean };
  controlPlaneEndpointsConfig?: {
    dnsEndpointConfig?: { endpoint?: string; allowExternalTraffic?: boolean };
    ipEndpointsConfig?: { enabled?: boolean; enablePublicEndpoint?: boolean };
  };
  workloadIdentityConfig?: { workloadPool: string };
  fleet?: { project?: string; membership?: string };
  [field: string]: unknown;
}

/** What the API answers; may be changed while it runs. */
export interface GkeState {
  projectId: string;
  /** Accepted in paths in place of the id. */
  projectNumber: string;
  clusters: GkeCluster[];
  /** Locations that did not answer: a list of all locations is partial and says so. @default [] */
  missingZones: string[];
}

export interface GkeOptions extends Partial<GkeState> {
  accessTokens: AccessTokens;
}

export interface GkeEmulator extends GoogleApi {
  state: GkeState;
}

/** A cluster in state RUNNING with Google's labels and fields, ready for {@link GkeState.clusters}. */
export function gkeCluster(
  given: { name: string; location: string; endpoint: string; caPem: string; projectId: string } & {
    fields?: Partial<GkeCluster>;
  },
): GkeCluster {
  const { name, location, endpoint, caPem, projectId, fields } = given;
  return {
    name,
    location,
    status: "RUNNING",
    endpoint,
    masterAuth: { clusterCaCertificate: Buffer.from(caPem).toString("base64") },
    selfLink: `https://container.googleapis.com/v1/projects/${projectId}/locations/${location}/clusters/${name}`,
    workloadIdentityConfig: { workloadPool: `${projectId}.svc.id.goog` },
    ...fields,
  };
}

/** Starts the API on a free port. */
export async function startGke(options: GkeOptions): Promise<GkeEmulator> {
  const { accessTokens, ...given } = options;
  const state: GkeState = {
    projectId: "demo-project",
    projectNumber: "1234567890",
    clusters: [],
    missingZones: [],
    ...given,
  };
  const api = await startGoogleApi(accessTokens, [
    {
      method: "GET",
      path: /^\/v1\/projects\/([^/]+)\/locations\/([^/]+)\/clusters$/,
      permission: "container.clusters.list",
      handle: ([project = "", location = ""]) => list(state, project, location),
    },
    {
      method: "GET",
      path: /^\/v1\/projects\/([^/]+)\/locations\/([^/]+)\/clusters\/([^/]+)$/,
      permission: "container.clusters.get",
      handle: ([project = "", location = "", name = ""]) => get(state, project, location, name),
    },
  ]);
  return { ...api, state };
}

function list(state: GkeState, project: string, location: string): EmulatedAnswer {
  if (!isOurs(state, project)) return foreignProject("list", `projects/${project}`);
  const everywhere = location === "-";
  const clusters = state.clusters.filter((cluster) =>
    (everywhere || cluster.location === location) && !state.missingZones.includes(cluster.location)
  );
  // As in all of Google's JSON, empty lists are left out.
  return jsonAnswer(200, {
    ...(clusters.length > 0 ? { clusters } : {}),
    ...(everywhere && state.missingZones.length > 0 ? { missingZones: state.missingZones } : {}),
  });
}

function get(state: GkeState, project: string, location: string, name: string): EmulatedAnswer {
  const resource = `projects/${project}/locations/${location}/clusters/${name}`;
  if (!isOurs(state, project)) return foreignProject("get", resource);
  const cluster = state.clusters.find((candidate) => candidate.name === name && candidate.location === location);
  return cluster ? jsonAnswer(200, cluster) : googleError(404, `Not found: ${resource}.`);
}

function isOurs(state: GkeState, project: string): boolean {
  return project === state.projectId || project === state.projectNumber;
}

/** Google does not tell a project that is not there from one the caller may not see. */
function foreignProject(verb: "get" | "list", resource: string): EmulatedAnswer {
  return googleError(403, `Required "container.clusters.${verb}" permission(s) for "${resource}".`);
}
