import { parseDocument } from "../base/document.ts";
import { Problem, reasonOf } from "../base/errors.ts";
import { describeIssue } from "../base/json.ts";
import * as v from "valibot";

const optionalText = v.optional(v.string());
const Exec = v.object({
  apiVersion: optionalText,
  command: v.string(),
  args: v.nullish(v.array(v.string())),
  env: v.nullish(v.array(v.object({ name: v.string(), value: v.string() }))),
  provideClusterInfo: v.nullish(v.boolean()),
  installHint: optionalText,
});
const Cluster = v.object({
  server: v.string(),
  "certificate-authority": optionalText,
  "certificate-authority-data": optionalText,
  "insecure-skip-tls-verify": v.optional(v.boolean()),
  "tls-server-name": optionalText,
  "proxy-url": optionalText,
});
const User = v.object({
  token: optionalText,
  tokenFile: optionalText,
  "client-certificate": optionalText,
  "client-certificate-data": optionalText,
  "client-key": optionalText,
  "client-key-data": optionalText,
  username: optionalText,
  password: optionalText,
  exec: v.nullish(Exec),
  "auth-provider": v.nullish(v.object({ name: v.string() })),
});
const Kubeconfig = v.object({
  "current-context": optionalText,
  contexts: v.nullish(
    v.array(
      v.object({
        name: v.string(),
        context: v.object({ cluster: v.string(), user: optionalText, namespace: optionalText }),
      }),
    ),
  ),
  clusters: v.nullish(v.array(v.object({ name: v.string(), cluster: Cluster }))),
  users: v.nullish(v.array(v.object({ name: v.string(), user: User }))),
});

export type KubeconfigCluster = v.InferOutput<typeof Cluster>;
export type KubeconfigUser = v.InferOutput<typeof User>;

/** An entry and the file it stands in: paths inside it are relative to that file. */
export interface Entry<T> {
  value: T;
  path: string;
}

/** The files of a KUBECONFIG value as one. */
export interface MergedKubeconfig {
  currentContext: string | undefined;
  contexts: ReadonlyMap<string, Entry<{ cluster: string; user?: string | undefined; namespace?: string | undefined }>>;
  clusters: ReadonlyMap<string, Entry<KubeconfigCluster>>;
  users: ReadonlyMap<string, Entry<KubeconfigUser>>;
}

/**
 * Reads `a:b:…` as kubectl does: of two entries with one name the first counts, and so does the first current context; of several
 * files those that are missing are passed over.
 * @throws {Problem} none is there, or one is broken
 */
export async function loadKubeconfig(value: string): Promise<MergedKubeconfig> {
  const paths = value.split(":").filter((path) => path !== "");
  const files: { path: string; config: v.InferOutput<typeof Kubeconfig> }[] = [];
  for (const path of paths) {
    const config = await parseFile(path, paths.length > 1);
    if (config) files.push({ path, config });
  }
  if (files.length === 0) {
    throw new Problem({ tried: `read kubeconfig ${value}`, got: "no such file", fix: "check KUBECONFIG" });
  }
  const merge = <T>(entries: (config: v.InferOutput<typeof Kubeconfig>) => { name: string; value: T }[]) => {
    const merged = new Map<string, Entry<T>>();
    for (const { path, config } of files) {
      for (const { name, value } of entries(config)) if (!merged.has(name)) merged.set(name, { value, path });
    }
    return merged;
  };
  return {
    currentContext: files.map(({ config }) => config["current-context"]).find((name) => name),
    contexts: merge((config) => (config.contexts ?? []).map(({ name, context }) => ({ name, value: context }))),
    clusters: merge((config) => (config.clusters ?? []).map(({ name, cluster }) => ({ name, value: cluster }))),
    users: merge((config) => (config.users ?? []).map(({ name, user }) => ({ name, value: user }))),
  };
}

async function parseFile(path: string, mayBeMissing: boolean): Promise<v.InferOutput<typeof Kubeconfig> | undefined> {
  const tried = `read kubeconfig ${path}`;
  let value: unknown;
  try {
    value = await parseDocument(await Deno.readTextFile(path));
  } catch (error) {
    if (mayBeMissing && error instanceof Deno.errors.NotFound) return undefined;
    const got = error instanceof Deno.errors.NotFound ? "no such file" : reasonOf(error);
    throw new Problem({ tried, got, fix: "check KUBECONFIG", cause: error });
  }
  const result = v.safeParse(Kubeconfig, value);
  if (result.success) return result.output;
  throw new Problem({
    tried,
    got: `a file without a kubeconfig's form${describeIssue(result.issues[0])}`,
    fix: "check it with: kubectl config view",
  });
}
