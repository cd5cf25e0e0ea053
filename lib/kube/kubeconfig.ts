import { dirname, isAbsolute, join } from "node:path";
import { decodeBase64, encodeBase64 } from "../base/base64.ts";
import { parseDocument } from "../base/document.ts";
import { Problem, reasonOf } from "../base/errors.ts";
import { describeIssue } from "../base/json.ts";
import { redact, Secret } from "../base/secret.ts";
import type { KubeAccess } from "./client.ts";
import { execAuthorization, type ExecConfig } from "./exec_plugin.ts";
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

/** A chosen context of a kubeconfig. */
export interface KubeconfigAccess {
  path: string;
  context: string;
  namespace: string | undefined;
  access: KubeAccess;
}

/**
 * Reads the chosen (else the current) context of a kubeconfig, https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/.
 * @param googleToken stands in where the context names gke-gcloud-auth-plugin and that is not installed
 * @throws {Problem} no such file or context, a broken file, or what cannot be honoured
 */
export async function readKubeconfig(
  path: string,
  options: {
    context?: string | undefined;
    environment: Readonly<Record<string, string | undefined>>;
    googleToken?: (() => Promise<Secret>) | undefined;
  },
): Promise<KubeconfigAccess> {
  const config = await parseFile(path);
  const wrong = (got: string, fix?: string) => new Problem({ tried: `read kubeconfig ${path}`, got, fix });
  const wanted = options.context ?? config["current-context"];
  const names = (config.contexts ?? []).map((context) => context.name);
  if (!wanted) {
    throw wrong(
      `no current context among ${names.join(", ") || "none"}`,
      "kubectl config use-context NAME, or --context",
    );
  }
  const context = config.contexts?.find((context) => context.name === wanted)?.context;
  if (!context) {
    throw wrong(`no context "${wanted}" among ${names.join(", ") || "none"}`, "check --context and KUBECONFIG");
  }
  const cluster = config.clusters?.find((cluster) => cluster.name === context.cluster)?.cluster;
  if (!cluster) throw wrong(`context "${wanted}" names cluster "${context.cluster}", which is not in the file`);
  const user = config.users?.find((user) => user.name === context.user)?.user;
  if (context.user && !user) throw wrong(`context "${wanted}" names user "${context.user}", which is not in the file`);
  if (cluster["insecure-skip-tls-verify"]) {
    throw wrong(
      `cluster "${context.cluster}" has insecure-skip-tls-verify: tokens would go to anyone`,
      "give certificate-authority-data instead",
    );
  }
  if (cluster["tls-server-name"]) {
    throw wrong(
      `cluster "${context.cluster}" has tls-server-name, which is not supported`,
      "use the certificate's own name in server",
    );
  }
  if (!isSafe(cluster.server)) {
    throw wrong(`cluster "${context.cluster}" has server "${redact(cluster.server)}", which is no https URL`);
  }
  const fileOrData = async (file: string | undefined, data: string | undefined, what: string) => {
    if (data) {
      try {
        return decodeBase64(data);
      } catch {
        throw wrong(`${what}-data is not base64`);
      }
    }
    if (!file) return undefined;
    const at = isAbsolute(file) ? file : join(dirname(path), file);
    return await Deno.readTextFile(at).catch((error) => {
      throw wrong(`${what} ${at}: ${reasonOf(error)}`);
    });
  };
  const [ca, cert, key] = await Promise.all([
    fileOrData(cluster["certificate-authority"], cluster["certificate-authority-data"], "certificate-authority"),
    fileOrData(user?.["client-certificate"], user?.["client-certificate-data"], "client-certificate"),
    fileOrData(user?.["client-key"], user?.["client-key-data"], "client-key"),
  ]);
  if (Boolean(cert) !== Boolean(key)) {
    throw wrong(`user "${context.user}" has a client certificate or its key, but not both`);
  }
  return {
    path,
    context: wanted,
    namespace: context.namespace,
    access: {
      origin: `kubeconfig ${path}, context ${wanted}`,
      server: cluster.server,
      ca,
      certificate: cert && key ? { cert, key: new Secret(key) } : undefined,
      proxyUrl: cluster["proxy-url"],
      authorization: user && authorizationOf(user, cluster.server, ca, path, options, wrong),
      user: context.user,
    },
  };
}

function authorizationOf(
  user: v.InferOutput<typeof User>,
  server: string,
  ca: string | undefined,
  path: string,
  options: Parameters<typeof readKubeconfig>[1],
  wrong: (got: string, fix?: string) => Problem,
): KubeAccess["authorization"] {
  if (user.token) {
    const header = new Secret(`Bearer ${new Secret(user.token).reveal()}`);
    return () => Promise.resolve(header);
  }
  if (user.tokenFile) {
    const file = isAbsolute(user.tokenFile) ? user.tokenFile : join(dirname(path), user.tokenFile);
    return async () => {
      const token = await Deno.readTextFile(file).catch((error) => {
        throw wrong(`tokenFile ${file}: ${reasonOf(error)}`);
      });
      return new Secret(`Bearer ${new Secret(token.trim()).reveal()}`);
    };
  }
  if (user.exec) return execAuthorization(user.exec as ExecConfig, { server, ca, ...options });
  if (user.username && user.password) {
    const both = new Secret(encodeBase64(`${user.username}:${new Secret(user.password).reveal()}`));
    const header = new Secret(`Basic ${both.reveal()}`);
    return () => Promise.resolve(header);
  }
  if (user["auth-provider"]) {
    throw wrong(
      `auth-provider "${user["auth-provider"].name}", which Kubernetes removed in 1.26`,
      "gcloud container clusters get-credentials CLUSTER",
    );
  }
  return undefined;
}

/** Over TLS, or to this machine itself, as with kubectl proxy: nobody else may see a token. */
function isSafe(server: string): boolean {
  if (!URL.canParse(server)) return false;
  const { protocol, hostname } = new URL(server);
  return protocol === "https:" || (protocol === "http:" && /^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname));
}

async function parseFile(path: string): Promise<v.InferOutput<typeof Kubeconfig>> {
  const tried = `read kubeconfig ${path}`;
  let value: unknown;
  try {
    value = await parseDocument(await Deno.readTextFile(path));
  } catch (error) {
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
