import { Problem, reasonOf } from "../base/errors.ts";

/** What an Envoy binary says it is. */
export interface EnvoyVersion {
  /** `1.40.0` */
  version: string;
  /** Istio's own build, which has filters that others lack. */
  istio: boolean;
}

/** Takes apart `envoy  version: <commit>/<version>/<state>/<mode>/<ssl>`; Istio's builds name a commit of their own and no state of Envoy's tags. */
export function parseEnvoyVersion(text: string): EnvoyVersion | undefined {
  const version = /version:\s*\S*?\/(\d+\.\d+\.\d+)(\S*)/.exec(text);
  return version ? { version: version[1]!, istio: /istio|-dev\b/i.test(version[2]!) } : undefined;
}

/** Asks the binary. @throws {Problem} it does not run or does not tell */
export async function envoyVersion(envoy: string): Promise<EnvoyVersion> {
  const tried = `run ${envoy} --version`;
  let text: string;
  try {
    const { stdout } = await new Deno.Command(envoy, { args: ["--version"], stdout: "piped", stderr: "null" }).output();
    text = new TextDecoder().decode(stdout);
  } catch (error) {
    throw new Problem({ tried, got: reasonOf(error), fix: "set KRUN_ENVOY to an Envoy that runs here", cause: error });
  }
  const version = parseEnvoyVersion(text);
  if (!version) throw new Problem({ tried, got: `no version in "${text.trim().slice(0, 80)}"` });
  return version;
}
