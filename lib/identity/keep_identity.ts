import { mayActAsOthers } from "../base/privilege.ts";
import { makeDirectory, unwritable, writeAtomically } from "../base/atomic_file.ts";
import { logger } from "../base/log.ts";
import type { KubeClient } from "../kube/mod.ts";
import type { ControlPlane } from "../mesh/mod.ts";
import type { Settings } from "../settings/mod.ts";
import { keepToken } from "./keep_token.ts";
import { podLabels, serializeLabels } from "./labels.ts";
import { type Paths, PROXY_USER } from "./paths.ts";
import { checkRoots } from "./roots.ts";

const log = logger("krun", "identity");

/** Istio asks for 12 hours where a kubelet would project the token; the server may give less. */
const LIFETIME_SECONDS = 12 * 3_600;

/** The workload's files, kept fresh. */
export interface Identity extends AsyncDisposable {
  /** When the token in the file ends, milliseconds since 1970. */
  tokenExpiresAt(): number;
  /**
   * Takes over another control plane and its roots: pilot-agent reads a changed root file by itself.
   * @throws {Problem} the roots are not certificates, a file cannot be written, no token for the new audience; the old ones stay
   */
  change(to: { controlPlane: ControlPlane; roots: string }): Promise<void>;
}

/**
 * Brings about everything that pilot-agent reads as files, and keeps the token fresh until disposed.
 * @throws {Problem} a permission is missing, the roots are not certificates, a directory cannot be written
 */
export async function keepIdentity(
  options: {
    settings: Settings;
    controlPlane: ControlPlane;
    /** PEM; empty where the system's roots are meant. */
    roots: string;
    kube: KubeClient;
    paths: Paths;
  },
): Promise<Identity> {
  const { settings, controlPlane, kube, paths } = options;
  const facts = options.roots ? checkRoots(options.roots) : [];
  const account = { namespace: settings.namespace, name: settings.serviceAccount };
  const ours = { owner: PROXY_USER };
  let { audience } = controlPlane;
  const kept = keepToken({
    path: paths.token,
    renewAfterMs: settings.tokenRenewSeconds === undefined ? undefined : settings.tokenRenewSeconds * 1_000,
    issue: (signal) => kube.serviceAccountToken(account, audience, LIFETIME_SECONDS, signal ? { signal } : {}),
  });
  kept.catch(() => {}); // awaited below, whatever fails before
  try {
    // One by one, so that what is said of a place that cannot be written is the same each time.
    const { proxyConfig, outputCerts, workloadCredentials, workloadSocket } = paths;
    for (const path of [proxyConfig, outputCerts, workloadCredentials, workloadSocket]) await makeOurs(path);
    await Promise.all([
      options.roots ? writeAtomically(paths.root, options.roots, ours) : undefined,
      writeAtomically(paths.labels, serializeLabels(podLabels(settings)), ours),
      writeAtomically(paths.annotations, "", ours),
    ]);
  } catch (error) {
    await kept.then((token) => token[Symbol.asyncDispose](), () => {}); // nothing goes on behind a failure
    throw error;
  }
  const token = await kept;
  log.info(
    `identity spiffe://${controlPlane.trustDomain}/ns/${account.namespace}/sa/${account.name}`,
    {
      audience: controlPlane.audience,
      tokenUntil: new Date(token.expiresAt()).toISOString(),
      roots: facts.map(({ subject, notAfter }) => `${subject} until ${new Date(notAfter).toISOString()}`),
    },
  );
  let { roots } = options;
  return {
    tokenExpiresAt: () => token.expiresAt(),
    async change(to) {
      if (to.roots !== roots && to.roots) {
        checkRoots(to.roots);
        await writeAtomically(paths.root, to.roots, ours);
        roots = to.roots;
      }
      if (to.controlPlane.audience === audience) return;
      const before = audience;
      audience = to.controlPlane.audience;
      try {
        await token.renewNow();
      } catch (error) {
        audience = before;
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => token[Symbol.asyncDispose](),
  };
}

/** The agent writes into these itself. */
async function makeOurs(directory: string): Promise<void> {
  try {
    await makeDirectory(directory, PROXY_USER);
    if (mayActAsOthers()) await Deno.chown(directory, PROXY_USER.uid, PROXY_USER.gid);
  } catch (error) {
    throw unwritable(`make directory ${directory}`, directory, error);
  }
}
