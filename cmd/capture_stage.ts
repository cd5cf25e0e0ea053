/** The stage `capture`: it looks for iptables while the cluster is asked, and makes the rules while the proxy starts. */
import { logger } from "../lib/base/log.ts";
import { mayActAsOthers } from "../lib/base/privilege.ts";
import {
  type Capture,
  captureSettingsHere,
  type LookForIptables,
  lookOnce,
  type NoCapture,
  startCapture,
} from "../lib/capture/mod.ts";
import { PROXY_USER } from "../lib/identity/mod.ts";
import type { Settings } from "../lib/settings/mod.ts";
import { captureVariables } from "./capture_variables.ts";

const log = logger("krun");

type Environment = Readonly<Record<string, string>>;

/**
 * Looks for iptables where rules may be wanted; nothing is changed by a look.
 * @param given what flags and environment say: what the cluster says comes later, and may make another look necessary
 */
export function lookForIptables(given: Settings, environment: Environment): LookForIptables {
  const look = lookOnce();
  if (["auto", "required"].includes(captureMode(given, environment))) {
    // What is wrong with the settings is said when capture has its turn.
    captureSettingsHere(captureVariables(environment)).then(({ backend }) => look(backend)).catch(() => {});
  }
  return look;
}

/** Rules that are on their way. Disposing this undoes them where nobody has taken them. */
export interface BegunCapture extends AsyncDisposable {
  /** The rules when they are in force. @param wanted false undoes them: there is no proxy after all */
  inForce(wanted: boolean): Promise<Capture | NoCapture>;
}

/**
 * Leads the app's traffic to the proxy by iptables where that is wanted and can be had. The rules of an app that krun itself starts later
 * are begun at once; those of one that runs already wait for {@link BegunCapture.inForce}, which comes when the proxy is ready.
 */
export function beginCapture(
  options: { settings: Settings; environment: Environment; look: LookForIptables; early: boolean },
): BegunCapture {
  let begun = options.early ? captureTraffic(options) : undefined;
  begun?.catch(() => {}); // said by inForce, unless something else fails before
  const undo = async () => {
    const made = await begun?.catch(() => undefined);
    begun = undefined;
    await made?.[Symbol.asyncDispose]();
  };
  return {
    async inForce(wanted) {
      if (!wanted) {
        await undo();
        return { use: "none", [Symbol.asyncDispose]: () => Promise.resolve() };
      }
      const taken = begun ?? captureTraffic(options);
      begun = undefined;
      return await taken;
    },
    [Symbol.asyncDispose]: undo,
  };
}

async function captureTraffic(
  { settings, environment, look }: { settings: Settings; environment: Environment; look: LookForIptables },
): Promise<Capture | NoCapture> {
  const variables = captureVariables({ ...environment, ...settings.others });
  const capture = await startCapture(captureMode(settings, environment), {
    settings: await captureSettingsHere(variables),
    interceptionMode: settings.interceptionMode,
    proxyApart: mayActAsOthers() && settings.appUid !== PROXY_USER.uid,
    look,
  });
  if (capture.use === "iptables") {
    log.info(`the app's traffic is captured by ${capture.program}`, { ipv6: capture.ipv6 });
  }
  if (capture.use === "whitebox") log.info(`whitebox, by the app's proxy variables: ${capture.because}`);
  return capture;
}

/** By itself only in a container: elsewhere the rules would be the whole machine's. */
export function captureMode(settings: Settings, environment: Environment): Settings["capture"] {
  if (settings.proxy !== "envoy" || settings.xdsAddress === "-") return "none";
  const ownNetwork = Deno.pid === 1 || ["K_SERVICE", "CLOUD_RUN_JOB"].some((name) => environment[name] !== undefined);
  return settings.capture === "auto" && !ownNetwork ? "whitebox" : settings.capture;
}
