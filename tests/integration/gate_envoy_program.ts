/** An hgate beside an Envoy, as a process that can be killed: says `ready RESOURCES REMOVED` when its routes are served, then lives on. */
import { Secret } from "../../lib/base/secret.ts";
import { EnvoyGate } from "../../lib/gate/envoy/engine.ts";
import { CLUSTER_TYPE } from "../../lib/gate/envoy/resources.ts";
import {
  envoyGateBeside,
  type GateOptions,
  type GateRoutes,
  type IdTokens,
  type MeetingPlace,
} from "../../lib/gate/mod.ts";

/** The one argument, as JSON. */
export interface ProgramArguments {
  place: MeetingPlace;
  options: Omit<GateOptions, "tokens" | "onUnknownName">;
  routes: GateRoutes;
}

if (import.meta.main) {
  const { place, options, routes } = JSON.parse(Deno.args[0]!) as ProgramArguments;
  const tokens: IdTokens = {
    get: (audience) =>
      Promise.resolve({ value: new Secret(`token-of-${audience}`), expiresAt: Date.now() + 3_600_000 }),
    drop() {},
    onRenewed: () => () => {},
  };
  const gate = await envoyGateBeside(place).serve({ ...options, tokens });
  await gate.update(routes);
  const sent = (gate as EnvoyGate).control.ads.sent.get(CLUSTER_TYPE);
  await Deno.stdout.write(new TextEncoder().encode(`ready ${sent?.resources ?? 0} ${sent?.removed ?? 0}\n`));
  await new Promise(() => {});
}
