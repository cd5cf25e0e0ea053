/**
 * The metadata server of Google Cloud as a Cloud Run instance sees it.
 *
 * Wire facts: https://cloud.google.com/compute/docs/metadata/querying-metadata (header, `recursive`, camel case),
 * https://cloud.google.com/run/docs/container-contract#metadata-server (the entries there are),
 * https://cloud.google.com/docs/authentication/get-id-token#metadata-server (`identity`).
 */
import { AccessTokens } from "./access_tokens.ts";
import { type EmulatedAnswer, type EmulatedRequest, type HttpServer, startHttpServer } from "./http_server.ts";
import { type Claims, createSigner, idTokenClaims, type TokenSigner } from "./json_web_token.ts";

/** What the server answers; may be changed while it runs. */
export interface MetadataState {
  /** @default "demo-project" */
  projectId: string;
  /** @default "1234567890" */
  projectNumber: string;
  /** @default "us-central1" */
  region: string;
  /** Cloud Run gives a made-up zone, region and `-1`. @default "us-central1-1" */
  zone: string;
  /** Hexadecimal, 64 digits. */
  instanceId: string;
  /** The service account the instance runs as. @default "k8s-demo@demo-project.iam.gserviceaccount.com" */
  email: string;
  /** @default "googleapis.com" */
  universeDomain: string;
  /** Lifetime of access tokens. @default 3600 */
  accessTokenSeconds: number;
  /** Lifetime of ID tokens. @default 3600 */
  idTokenSeconds: number;
  /** Claims of ID tokens in place of the usual ones, e.g. another `aud`. @default {} */
  idTokenClaims: Claims;
}

export interface MetadataOptions extends Partial<MetadataState> {
  /** Where the tokens it gives out are known. @default a new registry */
  accessTokens?: AccessTokens;
  /** The first access token, in place of a random one. */
  accessToken?: string;
  /** @default a signer with a new key */
  signer?: TokenSigner;
}

export interface MetadataEmulator extends HttpServer {
  state: MetadataState;
  accessTokens: AccessTokens;
  /** Google's key for ID tokens: `signer.jwks` is for who checks them, `signer.sign` makes tokens for tests. */
  signer: TokenSigner;
}

/** A directory of the tree below /computeMetadata/v1/; functions are computed for each request and not in `recursive`. */
type Entry = string | string[] | number | ((request: URL) => EmulatedAnswer) | { [name: string]: Entry };

/** Starts a metadata server on a free port: `GCE_METADATA_HOST` is its `host`. */
export async function startMetadata(options: MetadataOptions = {}): Promise<MetadataEmulator> {
  const { accessTokens = new AccessTokens(), accessToken, signer = createSigner(), ...given } = options;
  const region = given.region ?? "us-central1";
  const state: MetadataState = {
    projectId: "demo-project",
    projectNumber: "1234567890",
    region,
    zone: `${region}-1`,
    instanceId: "00bf4bf02d".padEnd(64, "0"),
    email: "k8s-demo@demo-project.iam.gserviceaccount.com",
    universeDomain: "googleapis.com",
    accessTokenSeconds: 3600,
    idTokenSeconds: 3600,
    idTokenClaims: {},
    ...given,
  };
  const token = tokenSource(state, accessTokens, accessToken);
  const server = await startHttpServer({ handle: (request) => answer(request, tree(state, token, signer)) });
  return { ...server, state, accessTokens, signer };
}

/** The token, the same one until 5 minutes before its end, as the real server does. */
function tokenSource(state: MetadataState, registry: AccessTokens, first: string | undefined): () => EmulatedAnswer {
  let current: { value: string; email: string; expiresAtMs: number } | undefined;
  return () => {
    const spent = current && (current.expiresAtMs - Date.now() < 300_000 || !registry.ownerOf(current.value));
    if (!current || spent || current.email !== state.email) {
      const value = first ?? registry.issue(state.email, state.accessTokenSeconds);
      if (first !== undefined) registry.add(first, state.email, state.accessTokenSeconds);
      first = undefined;
      current = { value, email: state.email, expiresAtMs: Date.now() + state.accessTokenSeconds * 1000 };
    }
    const expires_in = Math.floor((current.expiresAtMs - Date.now()) / 1000);
    return {
      status: 200,
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ access_token: current.value, expires_in, token_type: "Bearer" }),
    };
  };
}

function tree(state: MetadataState, token: () => EmulatedAnswer, signer: TokenSigner): Entry {
  const account = {
    aliases: ["default"],
    email: state.email,
    identity: (url: URL) => identity(url, state, signer),
    scopes: ["https://www.googleapis.com/auth/cloud-platform"],
    token,
  };
  return {
    instance: {
      id: state.instanceId,
      region: `projects/${state.projectNumber}/regions/${state.region}`,
      "service-accounts": { default: account, [state.email]: account },
      zone: `projects/${state.projectNumber}/zones/${state.zone}`,
    },
    project: { "numeric-project-id": Number(state.projectNumber), "project-id": state.projectId },
    universe: { "universe-domain": state.universeDomain },
  };
}

function identity(url: URL, state: MetadataState, signer: TokenSigner): EmulatedAnswer {
  const audience = url.searchParams.get("audience");
  if (!audience) return text(400, "non-empty audience parameter required");
  const email = url.searchParams.get("format") === "full" ? state.email : undefined;
  return text(200, signer.sign({ ...idTokenClaims(audience, email, state.idTokenSeconds), ...state.idTokenClaims }));
}

function answer(request: EmulatedRequest, root: Entry): EmulatedAnswer {
  const found = route(request, root);
  return { ...found, headers: { ...found.headers, "metadata-flavor": "Google", server: "Metadata Server for VM" } };
}

function route(request: EmulatedRequest, root: Entry): EmulatedAnswer {
  const { pathname, searchParams } = request.url;
  if (request.method !== "GET") return text(405, "");
  // The check that a metadata server is there at all needs no header.
  if (pathname === "/") return text(200, "computeMetadata/\n");
  if (request.headers["metadata-flavor"] !== "Google") {
    return text(403, "Your client does not have permission to get URL. Missing Metadata-Flavor:Google header.");
  }
  // A request that came through a proxy is not the instance's own.
  if (request.headers["x-forwarded-for"] !== undefined) return text(403, "X-Forwarded-For is not allowed");
  if (!pathname.startsWith("/computeMetadata/v1/")) return text(404, "Not Found");
  let entry: Entry | undefined = root;
  for (const name of pathname.slice("/computeMetadata/v1/".length).split("/").filter((part) => part !== "")) {
    const directory: Entry = entry;
    if (typeof directory !== "object" || Array.isArray(directory)) return text(404, "Not Found");
    entry = Object.hasOwn(directory, name) ? directory[name] : undefined;
    if (entry === undefined) return text(404, "Not Found");
  }
  if (typeof entry === "function") return entry(request.url);
  if (searchParams.get("recursive")?.toLowerCase() === "true") {
    return { ...text(200, JSON.stringify(recursive(entry))), headers: { "content-type": "application/json" } };
  }
  if (Array.isArray(entry)) return text(200, entry.join("\n") + "\n");
  if (typeof entry === "object") return text(200, listing(entry));
  return text(200, String(entry));
}

function listing(directory: { [name: string]: Entry }): string {
  const isDirectory = (entry: Entry) => typeof entry === "object" && !Array.isArray(entry);
  return Object.entries(directory).map(([name, entry]) => `${name}${isDirectory(entry) ? "/" : ""}\n`).join("");
}

function recursive(entry: Entry): unknown {
  if (typeof entry !== "object" || Array.isArray(entry)) return entry;
  const shown = Object.entries(entry).filter(([, child]) => typeof child !== "function");
  return Object.fromEntries(shown.map(([name, child]) => [camelCase(name), recursive(child)]));
}

/** Names as in `recursive` answers: `project-id` → `projectId`; an account's e-mail address stays. */
function camelCase(name: string): string {
  return name.includes("@") ? name : name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function text(status: number, body: string): EmulatedAnswer {
  return { status, headers: { "content-type": "application/text" }, body };
}
