import type { KubeObject } from "../../kube/mod.ts";
import {
  type CloudRunName,
  type CommandWords,
  httpRoutes,
  regionalName,
  type Registration,
  registrationObjects,
  registrationOf,
  type ServicePort,
  virtualService,
  type Wish,
} from "../../registration/mod.ts";

/** A region of the service as it was found. */
export interface FoundRegion {
  cloudRun: CloudRunName;
  weight: number;
  /** Cloud Run's own URL. */
  url: string | undefined;
  /** In place of that, by hand. */
  givenUrl: string | undefined;
  audience: string | undefined;
  timeoutMs: number;
  concurrency: number;
  /** Where the app listens in its instance. */
  appPort: number | undefined;
}

/** What is to be registered, and all that was found out about it. */
export interface Found {
  name: string;
  namespace: string;
  /** The first is the one that the name itself leads to, for clients that do not look at how it is split. */
  regions: readonly [FoundRegion, ...FoundRegion[]];
  ports: readonly ServicePort[];
  /** A Service of a person under that name. */
  service: Registration["service"];
  gateAddress: string;
  /** Whether the gate's address was given by hand. */
  isGateGiven: boolean;
  said: Pick<Wish, "workload" | "serviceAccount" | "maxStreams" | "maxConnectionMs">;
  /** Whether to split by HTTPRoutes in place of a VirtualService. */
  httpRoute: boolean;
  clusterDomain: string;
}

/** The name of the command, in what it writes. */
const REGISTER_SERVICE = "register-service";

/** The objects of a registration. */
export interface Desired {
  /** The Service that clients call, with the grants that it is to remember. */
  service(invoker: string | undefined): KubeObject;
  /** What belongs to it. */
  beside: KubeObject[];
  /** The regions' own, where there are several. */
  regional: KubeObject[];
  /** How requests are shared out among them. */
  split: KubeObject[];
  /** Where the gate is to have routes: `prod/web` → `https://host`. */
  routes: ReadonlyMap<string, string>;
}

/** One region is one registration. Several are one each, and one more under the name itself, whose requests they share. */
export function desiredOf(found: Found): Desired {
  const { name, namespace, regions, ports } = found;
  const isSeveral = regions.length > 1;
  const wholeOf = (invoker: string | undefined) =>
    registered(found, regions[0], { name, service: found.service, invoker });
  const parts = isSeveral
    ? regions.map((region) =>
      registered(found, region, { name: regionalName(name, region.cloudRun.region), partOf: name })
    )
    : [];
  const split = {
    name,
    namespace,
    ports,
    to: regions.map(({ cloudRun, weight }) => ({ name: regionalName(name, cloudRun.region), weight })),
    clusterDomain: found.clusterDomain,
  };
  const whole = wholeOf(undefined);
  return {
    service: (invoker) => registrationObjects(wholeOf(invoker))[0]!,
    beside: registrationObjects(whole).slice(1),
    regional: parts.flatMap(registrationObjects),
    split: !isSeveral ? [] : found.httpRoute ? httpRoutes(split) : [virtualService(split)],
    routes: new Map([whole, ...parts].map(({ name, url }) => [`${namespace}/${name}`, url])),
  };
}

function registered(
  found: Found,
  region: FoundRegion,
  { name, service, ...words }: Pick<CommandWords, "partOf" | "invoker"> & Pick<Wish, "name" | "service">,
): Registration {
  const { namespace, ports, said, gateAddress, isGateGiven, clusterDomain } = found;
  const command = {
    ...words,
    by: REGISTER_SERVICE,
    url: region.givenUrl,
    gateAddress: isGateGiven ? gateAddress : undefined,
  };
  const { cloudRun, audience, url, timeoutMs, concurrency, appPort } = region;
  const registration = registrationOf(
    { name, namespace, cloudRun, ports, audience, service, ...said, command },
    { url, timeoutMs, concurrency, appPort, gateAddress, clusterDomain },
  );
  return registration!; // a region without a URL is not found
}
