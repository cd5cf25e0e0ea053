import type { Fetch } from "../../base/http.ts";
import type { Settings } from "../../settings/mod.ts";
import type { AdminContext } from "../context.ts";
import type { Facts } from "./facts.ts";
import type { Place } from "./place.ts";

export type FactName = keyof Facts;

/** What the doctor is asked for, and the world it looks at. */
export interface Outside {
  context: AdminContext;
  place: Place;
  /** Cloud Run service, which is also the mesh's Service. */
  service?: string | undefined;
  /** `--namespace`, or the workload's own. */
  namespace?: string | undefined;
  /** Whether the command line says which cluster: in a container krun's own search is followed otherwise. */
  isClusterNamed: boolean;
  /** How long a port is waited for: less than a deadline, since silence is what was seen, not that nothing was. */
  portMs: number;
  /** E-mail of the Google account that the gate runs as, where the cluster does not say it. */
  gateAccount?: string | undefined;
  /** Requests to Google; their `Date` headers are kept. */
  fetch: Fetch;
  /** Milliseconds since 1970. */
  now: () => number;
  /** By how much Google's clock is ahead of this one; `undefined` until something answered. */
  googleAheadMs: () => number | undefined;
  /** Of krun's container, by its environment alone. */
  settings?: Settings | undefined;
  local: LocalPorts;
  /** Addresses of a name, by the machine's own resolver. */
  lookUp: (name: string) => Promise<string[]>;
  /** Ends connections when the doctor does. */
  undo: DisposableStack;
}

/** Ports on the loopback of krun's container. */
export interface LocalPorts {
  /** Envoy's admin interface. */
  envoyAdmin: number;
  /** The proxy's readiness. */
  proxyReady: number;
  /** hgate's status. */
  gateStatus: number;
}

/** What is needed is there, what is wanted may be. */
export type Needed<N extends FactName, W extends FactName> =
  & { readonly [K in N]: Facts[K] }
  & { readonly [K in W]: Facts[K] | undefined };

/** One thing that is looked at, once, whoever needs it. */
export interface Source {
  /** As in `needs the cluster`. */
  label: string;
  /** Without these there is nothing to look at. */
  needs: readonly FactName[];
  /** Waited for, and done without. */
  wants: readonly FactName[];
  /** There is nothing to look at without `--service`. */
  isOfService: boolean;
  /** Deadlines that it may take: several requests one after the other need more than one. */
  deadlines: number;
  look(facts: Readonly<Record<string, unknown>>, outside: Outside, signal: AbortSignal): Promise<unknown>;
}

/** A source whose facts are typed by what it says that it needs. */
export function source<K extends FactName, const N extends FactName = never, const W extends FactName = never>(
  given: {
    label: string;
    needs?: readonly N[];
    wants?: readonly W[];
    /** @default {false} */
    isOfService?: boolean;
    /** @default {1} */
    deadlines?: number;
    look(facts: Needed<N, W>, outside: Outside, signal: AbortSignal): Promise<Facts[K]>;
  },
): Source {
  const { label, needs = [], wants = [], isOfService = false, deadlines = 1 } = given;
  return { label, needs, wants, isOfService, deadlines, look: given.look as Source["look"] };
}
