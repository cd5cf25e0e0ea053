import { must, type Ran, run } from "./process.ts";

/** kubectl on one cluster. */
export class Cluster {
  constructor(readonly kubeconfig: string) {}

  kubectl(...args: string[]): Promise<string> {
    return must(["kubectl", "--kubeconfig", this.kubeconfig, ...args]);
  }

  tryKubectl(...args: string[]): Promise<Ran> {
    return run(["kubectl", "--kubeconfig", this.kubeconfig, ...args]);
  }

  async apply(...objects: readonly object[]): Promise<void> {
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
    await must(["kubectl", "--kubeconfig", this.kubeconfig, "apply", "--server-side", "--force-conflicts", "-f", "-"], {
      input,
    });
  }

  /** What is not there is no error. */
  async remove(...objects: readonly object[]): Promise<void> {
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
    await must(["kubectl", "--kubeconfig", this.kubeconfig, "delete", "--ignore-not-found", "-f", "-"], { input });
  }

  async get<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.kubectl("get", ...args, "-o", "json"));
  }

  exec(namespace: string, workload: string, container: string, ...command: string[]): Promise<Ran> {
    return this.tryKubectl("-n", namespace, "exec", workload, "-c", container, "--", ...command);
  }
}
