import { dirname, isAbsolute, join } from "node:path";
import { decodeBase64, encodeBase64 } from "../base/base64.ts";
import { Problem, reasonOf } from "../base/errors.ts";
import { redact, Secret } from "../base/secret.ts";
import type { KubeAccess } from "./client.ts";
import { execAuthorization, type ExecConfig } from "./exec_plugin.ts";
import { type KubeconfigUser, loadKubeconfig } from "./kubeconfig_file.ts";

/** A chosen context of a kubeconfig. */
export interface KubeconfigAccess {
  path: string;
  context: string;
  namespace: string | undefined;
  access: KubeAccess;
}

/**
 * Reads the chosen (else the current) context of a KUBECONFIG value, one path or several, https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/.
 * @param googleToken stands in where the context names gke-gcloud-auth-plugin and that is not installed
 * @throws {Problem} no such file or context, a broken file, or what cannot be honoured
 */
export async function readKubeconfig(
  value: string,
  options: {
    context?: string | undefined;
    environment: Readonly<Record<string, string | undefined>>;
    googleToken?: (() => Promise<Secret>) | undefined;
  },
): Promise<KubeconfigAccess> {
  const { currentContext, contexts, clusters, users } = await loadKubeconfig(value);
  const wanted = options.context ?? currentContext;
  const names = [...contexts.keys()].join(", ") || "none";
  const context = wanted ? contexts.get(wanted) : undefined;
  const path = context?.path ?? value;
  const wrong = (got: string, fix?: string) => new Problem({ tried: `read kubeconfig ${path}`, got, fix });
  if (!wanted) throw wrong(`no current context among ${names}`, "kubectl config use-context NAME, or --context");
  if (!context) throw wrong(`no context "${wanted}" among ${names}`, "check --context and KUBECONFIG");
  const { cluster: clusterName, user: userName, namespace } = context.value;
  const clusterEntry = clusters.get(clusterName);
  if (!clusterEntry) throw wrong(`context "${wanted}" names cluster "${clusterName}", which is not in the file`);
  const userEntry = userName ? users.get(userName) : undefined;
  if (userName && !userEntry) throw wrong(`context "${wanted}" names user "${userName}", which is not in the file`);
  const cluster = clusterEntry.value;
  const user = userEntry?.value;
  if (cluster["insecure-skip-tls-verify"]) {
    throw wrong(
      `cluster "${clusterName}" has insecure-skip-tls-verify: tokens would go to anyone`,
      "give certificate-authority-data instead",
    );
  }
  if (cluster["tls-server-name"]) {
    throw wrong(
      `cluster "${clusterName}" has tls-server-name, which is not supported`,
      "use the certificate's own name in server",
    );
  }
  if (!isSafe(cluster.server)) {
    throw wrong(`cluster "${clusterName}" has server "${redact(cluster.server)}", which is no https URL`);
  }
  const fileOrData = async (from: string, file: string | undefined, data: string | undefined, what: string) => {
    if (data) {
      try {
        return decodeBase64(data);
      } catch {
        throw wrong(`${what}-data is not base64`);
      }
    }
    if (!file) return undefined;
    const at = isAbsolute(file) ? file : join(dirname(from), file);
    return await Deno.readTextFile(at).catch((error) => {
      throw wrong(`${what} ${at}: ${reasonOf(error)}`);
    });
  };
  const ofUser = (what: "client-certificate" | "client-key") =>
    fileOrData(userEntry?.path ?? path, user?.[what], user?.[`${what}-data`], what);
  const [ca, cert, key] = await Promise.all([
    fileOrData(
      clusterEntry.path,
      cluster["certificate-authority"],
      cluster["certificate-authority-data"],
      "certificate-authority",
    ),
    ofUser("client-certificate"),
    ofUser("client-key"),
  ]);
  if (Boolean(cert) !== Boolean(key)) {
    throw wrong(`user "${userName}" has a client certificate or its key, but not both`);
  }
  return {
    path,
    context: wanted,
    namespace,
    access: {
      origin: `kubeconfig ${path}, context ${wanted}`,
      server: cluster.server,
      ca,
      certificate: cert && key ? { cert, key: new Secret(key) } : undefined,
      proxyUrl: cluster["proxy-url"],
      authorization: user && authorizationOf(user, cluster.server, ca, userEntry!.path, options, wrong),
      user: userName,
    },
  };
}

function authorizationOf(
  user: KubeconfigUser,
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
