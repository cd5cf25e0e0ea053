import { UsageError } from "../../base/errors.ts";
import { isHttp, isLabel, regionalName, type ServicePort } from "../../registration/mod.ts";
import { memberOf } from "../gate_account.ts";
import type { RunService } from "../../gcp/mod.ts";
import type { RegionShare } from "./regions.ts";

/** What a person asks `register-service` for; what is left out follows Cloud Run and the cluster. */
export interface RegisterSettings {
  /** Of the Service that clients call. */
  name: string;
  namespace: string;
  /** As Cloud Run calls it. @default the name */
  service?: string | undefined;
  /** None for the one that gcloud is set to. */
  regions: readonly RegionShare[];
  /** As {@link readUrls} reads them. */
  urls: readonly string[];
  /** @default those of a Service that is there already, else http on 8080 */
  ports?: readonly ServicePort[] | undefined;
  audience?: string | undefined;
  gateIp?: string | undefined;
  /** E-mail, or a member in IAM's words. @default the account that the gate's ServiceAccount is linked to */
  gateAccount?: string | undefined;
  /** Whether the gate's account is to get roles/run.invoker where it lacks it. */
  invoker: boolean;
  workload?: string | undefined;
  serviceAccount?: string | undefined;
  maxStreams?: number | undefined;
  maxConnectionMs?: number | undefined;
  httpRoute: boolean;
  /** What Cloud Run does not say yet, where the same command is about to change the service. */
  soon?: Partial<Pick<RunService, "port" | "appPort" | "namespace">> | undefined;
  /** What a former run was told holds where this one is told nothing. @default {false} */
  asBefore?: boolean | undefined;
  gateNamespace: string;
  clusterDomain: string;
}

/** Cloud Run ends every request, and so every connection, after an hour at most. */
const LONGEST_CONNECTION_MS = 86_400_000;

/** @throws {UsageError} a name that Kubernetes would not take, or flags that do not go together */
export function checkSettings(settings: RegisterSettings, regions: readonly RegionShare[]): void {
  const { name, namespace, httpRoute, ports = [], gateIp } = settings;
  const wrong = (got: string, fix: string) => new UsageError({ tried: `register ${name}`, got, fix });
  const form = "lower case letters, digits and hyphens, 63 at most";
  for (const [what, text] of Object.entries({ name, namespace, service: settings.service ?? name })) {
    if (!isLabel(text)) throw wrong(`${what} ${JSON.stringify(text)}`, form);
  }
  if (/^\d/.test(name)) throw wrong("a name that begins with a digit", "Services begin with a letter");
  if (gateIp !== undefined && !/^[0-9a-fA-F.:]+$/.test(gateIp)) throw wrong(`--gate-ip ${gateIp}`, "an IP address");
  const { workload, serviceAccount, maxConnectionMs = 1 } = settings;
  for (const [flag, text] of Object.entries({ workload, ksa: serviceAccount })) {
    if (text !== undefined && !isLabel(text)) throw wrong(`--${flag} ${JSON.stringify(text)}`, form);
  }
  if (!Number.isInteger(maxConnectionMs) || maxConnectionMs < 1 || maxConnectionMs > LONGEST_CONNECTION_MS) {
    throw wrong(`--max-connection of ${maxConnectionMs} ms`, "whole milliseconds, a day at most");
  }
  if (settings.gateAccount !== undefined) memberOf(settings.gateAccount);
  if (regions.length === 1) {
    if (httpRoute) throw wrong("--http-route for one region", "it says how regions share requests: give several");
    return;
  }
  const long = regions.find(({ region }) => !isLabel(regionalName(name, region)));
  if (long) throw wrong(`${regionalName(name, long.region)} is too long for a region's Service`, "a shorter name");
  const other = ports.find((port) => !isHttp(port));
  if (httpRoute && other) {
    throw wrong(`an HTTPRoute for port ${other.name}, which is not HTTP`, "leave --http-route out");
  }
}

/** Reads `http=8080`. @throws {UsageError} another form, or a name or number twice */
export function readPorts(given: readonly string[]): ServicePort[] | undefined {
  if (given.length === 0) return undefined;
  const wrong = (got: string) =>
    new UsageError({ tried: "read --port", got, fix: "--port http=8080 --port grpc=8079" });
  const ports = given.map((text): ServicePort => {
    const [, name = "", port = ""] = /^([a-z](?:[a-z0-9-]{0,13}[a-z0-9])?)=(\d{1,5})$/.exec(text) ?? [];
    if (!name || Number(port) < 1 || Number(port) > 65_535) throw wrong(`"${text}"`);
    return { name, port: Number(port) };
  });
  for (const [at, { name, port }] of ports.entries()) {
    const twice = ports.slice(0, at).find((other) => other.name === name || other.port === port);
    if (twice) throw wrong(`${twice.name}=${twice.port} and ${name}=${port}`);
  }
  return ports;
}
