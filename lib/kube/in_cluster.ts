import { Problem, reasonOf } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";
import type { KubeAccess } from "./client.ts";

/** Where the kubelet mounts a pod's own account, https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/. */
export const ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Access with the pod's own account; `undefined` outside a pod. */
export async function inClusterAccess(
  environment: Readonly<Record<string, string | undefined>>,
  directory: string = ACCOUNT_DIRECTORY,
): Promise<{ access: KubeAccess; namespace: string; directory: string } | undefined> {
  const host = environment["KUBERNETES_SERVICE_HOST"];
  const port = environment["KUBERNETES_SERVICE_PORT"] ?? "443";
  if (!host) return undefined;
  const read = async (name: string) => {
    try {
      return (await Deno.readTextFile(`${directory}/${name}`)).trim();
    } catch (error) {
      throw new Problem({
        tried: `read the pod's own account from ${directory}/${name}`,
        got: reasonOf(error),
        fix: "set automountServiceAccountToken: true, or set KUBECONFIG",
      });
    }
  };
  const [ca, namespace] = await Promise.all([read("ca.crt"), read("namespace")]);
  return {
    directory,
    namespace,
    access: {
      origin: `the cluster of this pod (${host}:${port})`,
      server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
      ca,
      // read anew each time: the kubelet replaces the token before it ends
      authorization: async () => new Secret(`Bearer ${new Secret(await read("token")).reveal()}`),
      user: undefined,
    },
  };
}
