import { decodeBase64Url } from "../../../base/base64.ts";
import { reasonOf } from "../../../base/errors.ts";
import { describe, HttpError, request } from "../../../base/http.ts";
import { parseAs } from "../../../base/json.ts";
import { pathsBelow } from "../../../identity/mod.ts";
import type { Settings } from "../../../settings/mod.ts";
import type { LookedUp, TokenFile } from "../facts.ts";
import { type Outside, source } from "../source.ts";
import { lookAtPort } from "../tcp_look.ts";
import { loadBalancerAddress } from "../../../kube/mod.ts";
import * as v from "valibot";

/** https://www.envoyproxy.io/docs/envoy/latest/api-v3/admin/v3/certs.proto */
const Details = v.object({
  subject_alt_names: v.optional(
    v.array(v.looseObject({ uri: v.optional(v.string()), dns: v.optional(v.string()) })),
    [],
  ),
  path: v.optional(v.string(), ""),
  expiration_time: v.string(),
});
const Certificates = v.object({
  certificates: v.optional(
    v.array(v.object({ ca_cert: v.optional(v.array(Details), []), cert_chain: v.optional(v.array(Details), []) })),
    [],
  ),
});
const Claims = v.object({ exp: v.number() });

export const krunReady = source<"krunReady">({
  label: "krun",
  look(_, outside, signal) {
    const { healthPort } = settingsOf(outside);
    return healthPort === 0 ? Promise.resolve(undefined) : ask(healthPort, "/healthz/ready", "krun", outside, signal);
  },
});

export const proxyReady = source<"proxyReady">({
  label: "the proxy",
  look: (_, outside, signal) =>
    settingsOf(outside).proxy === "envoy"
      ? ask(outside.local.proxyReady, "/healthz/ready", "the proxy", outside, signal)
      : Promise.resolve(undefined),
});

export const tokenFile = source<"tokenFile">({
  label: "the workload's token",
  async look(_, outside) {
    const { token: path } = pathsBelow(baseOf(settingsOf(outside)));
    try {
      const [{ mode }, text] = await Promise.all([Deno.stat(path), Deno.readTextFile(path)]);
      return { path, mode: (mode ?? 0) & 0o777, expiresAt: expiryOf(text) };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  },
});

export const certificates = source<"certificates", "proxyReady">({
  label: "the proxy's certificates",
  needs: ["proxyReady"],
  async look({ proxyReady }, outside, signal) {
    if (!proxyReady) return undefined;
    const what = "ask Envoy for its certificates";
    const url = `http://127.0.0.1:${outside.local.envoyAdmin}/certs`;
    const { text } = await request(url, { what, signal, fetch: outside.fetch, tries: 1 });
    return parseAs(Certificates, text, what).certificates.flatMap(({ ca_cert, cert_chain }) =>
      [...cert_chain, ...ca_cert].map(({ expiration_time, subject_alt_names, path }) => ({
        subject: subject_alt_names.map(({ uri, dns }) => uri ?? dns).find(Boolean) ?? (path || "a root"),
        notAfter: Date.parse(expiration_time),
      }))
    );
  },
});

export const appPort = source<"appPort">({
  label: "the app",
  async look(_, outside, signal) {
    const { appPort: port, startupProbeTcp } = settingsOf(outside);
    if (startupProbeTcp === "-") return undefined;
    const { outcome } = await lookAtPort("127.0.0.1", port, outside.portMs, signal);
    return { port, isOpen: outcome === "open" };
  },
});

/** Names that this container has to know, by its own resolver. */
export const names = source<"names", never, "cluster" | "gateServices" | "run">({
  label: "names",
  wants: ["cluster", "gateServices", "run"],
  async look({ cluster, gateServices, run }, { place, lookUp, context }) {
    const wanted = new Map<string, string>();
    const add = (name: string | undefined, use: string) => {
      if (name && /[a-z]/i.test(name) && !name.includes(":")) wanted.set(name, use);
    };
    if (!context.environment["GCE_METADATA_HOST"]) add("metadata.google.internal", "Google's metadata server");
    if (place !== "krun") add("istiod.istio-system.svc", "istiod");
    if (cluster) add(new URL(cluster.kube.access.server).hostname, "the API server");
    add(loadBalancerAddress(gateServices?.internal), "the gate");
    for (const url of run?.urls.slice(0, 1) ?? []) add(new URL(url).hostname, "the Cloud Run service");
    return await Promise.all([...wanted].map(async ([name, use]): Promise<LookedUp> => {
      try {
        return { name, use, addresses: await lookUp(name) };
      } catch (error) {
        return { name, use, addresses: [], error: reasonOf(error) };
      }
    }));
  },
});

/** As the environment alone gives them: krun's container has been started by it. */
function settingsOf({ settings }: Outside): Settings {
  return settings!;
}

function baseOf({ baseDir }: Settings): string {
  return baseDir ?? (Deno.uid() === 0 ? "/" : Deno.cwd());
}

async function ask(
  port: number,
  path: string,
  whom: string,
  { fetch }: Outside,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  const options = { what: `ask ${whom} whether it is ready`, signal, fetch, tries: 1 };
  try {
    const { status, text } = await request(`http://127.0.0.1:${port}${path}`, options);
    return { status, text: describe(text) };
  } catch (error) {
    if (error instanceof HttpError) return { status: error.status, text: describe(error.body) };
    throw error;
  }
}

/** When a JWT ends; the token itself goes nowhere. */
function expiryOf(token: string): TokenFile["expiresAt"] {
  try {
    return parseAs(Claims, decodeBase64Url(token.trim().split(".")[1] ?? ""), "read the token's claims").exp * 1_000;
  } catch {
    return undefined;
  }
}
