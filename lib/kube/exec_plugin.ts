import { encodeBase64 } from "../base/base64.ts";
import { Problem, reasonOf } from "../base/errors.ts";
import { parseAs } from "../base/json.ts";
import { Secret } from "../base/secret.ts";
import * as v from "valibot";

/** `users[].user.exec` of a kubeconfig. */
export interface ExecConfig {
  apiVersion?: string;
  command: string;
  args?: readonly string[] | null;
  env?: readonly { name: string; value: string }[] | null;
  provideClusterInfo?: boolean | null;
  installHint?: string;
}

const Credential = v.object({
  status: v.object({ token: v.optional(v.string()), expirationTimestamp: v.optional(v.string()) }),
});

/** An exec plugin has this long to answer: some ask a network service, none may hold up the start for ever. */
const LIMIT_MS = 15_000;
const SPARE_MS = 60_000;

/**
 * Runs a credential plugin, https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins,
 * and keeps its token until a minute before it ends; who asks at once waits for one run. Plugins that answer with client
 * certificates are refused.
 */
export function execAuthorization(
  config: ExecConfig,
  options: {
    server: string;
    ca?: string | undefined;
    environment: Readonly<Record<string, string | undefined>>;
    googleToken?: (() => Promise<Secret>) | undefined;
    now?: () => number;
  },
): () => Promise<Secret | undefined> {
  const now = options.now ?? Date.now;
  const tried = `run credential plugin ${config.command}`;
  const byHand = "run it by hand to see why (its output is not shown here: it may hold credentials)";
  let held: { header: Secret; expiresAt: number } | undefined;
  let running: Promise<Secret> | undefined;
  return async () => {
    if (held && held.expiresAt - now() > SPARE_MS) return held.header;
    return await (running ??= run().finally(() => running = undefined));
  };

  async function run(): Promise<Secret> {
    const info = {
      apiVersion: config.apiVersion ?? "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      spec: {
        interactive: false,
        ...(config.provideClusterInfo
          ? {
            cluster: {
              server: options.server,
              ...(options.ca ? { "certificate-authority-data": encodeBase64(options.ca) } : {}),
            },
          }
          : {}),
      },
    };
    const limit = AbortSignal.timeout(LIMIT_MS);
    let output: Deno.CommandOutput;
    try {
      output = await new Deno.Command(config.command, {
        args: [...config.args ?? []],
        env: {
          ...Object.fromEntries((config.env ?? []).map(({ name, value }) => [name, value])),
          KUBERNETES_EXEC_INFO: JSON.stringify(info),
        },
        stdin: "null",
        stdout: "piped",
        stderr: "null", // a plugin may print its credentials there
        signal: limit,
      }).output();
    } catch (error) {
      if (
        error instanceof Deno.errors.NotFound && /gke-gcloud-auth-plugin$/.test(config.command) && options.googleToken
      ) {
        return new Secret(`Bearer ${(await options.googleToken()).reveal()}`); // what the plugin would have said
      }
      const got = error instanceof Deno.errors.NotFound ? "no such command" : reasonOf(error);
      throw new Problem({ tried, got, fix: config.installHint ?? `install ${config.command}`, cause: error });
    }
    if (limit.aborted) throw new Problem({ tried, got: `no answer within ${LIMIT_MS / 1_000} s`, fix: byHand });
    if (!output.success) throw new Problem({ tried, got: `exit code ${output.code}`, fix: byHand });
    const { status } = parseAs(Credential, new TextDecoder().decode(output.stdout), tried);
    if (!status.token) {
      throw new Problem({ tried, got: "an answer without status.token", fix: "use a plugin that gives bearer tokens" });
    }
    const header = new Secret(`Bearer ${new Secret(status.token).reveal()}`);
    // Without a time the token is good until the process ends, says client-go; one that is no time counts as none left.
    const expiresAt = status.expirationTimestamp ? Date.parse(status.expirationTimestamp) : Number.POSITIVE_INFINITY;
    held = { header, expiresAt };
    return header;
  }
}
