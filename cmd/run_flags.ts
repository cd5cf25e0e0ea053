/** Flags that the commands for Cloud Run services share, and how they are read. */
import { readPorts } from "../lib/admin/mod.ts";
import { UsageError } from "../lib/base/errors.ts";
import { GATE_NAMESPACE } from "../lib/registration/mod.ts";
import type { AdminArguments, AdminFlags } from "./admin_arguments.ts";

export const VPC_FLAGS: AdminFlags = {
  "vpc-connector": {
    type: "string",
    value: "CONNECTOR",
    help: "its way into the VPC: a Serverless VPC Access connector",
  },
  network: { type: "string", help: "the other way: Direct VPC egress by this network, with --subnet" },
  subnet: { type: "string", help: "subnet of --network" },
};

/** Of a registration. */
export const REGISTRATION_FLAGS: AdminFlags = {
  ksa: { type: "string", value: "NAME", help: "Kubernetes service account whose identity it has (default)" },
  "gate-ip": { type: "string", value: "ADDRESS", help: "address of the gate (that of Service internal-hgate)" },
  "gate-account": {
    type: "string",
    value: "EMAIL",
    help: "Google account of the gate (the one that its ServiceAccount is linked to)",
  },
  "no-invoker": { type: "boolean", help: "do not give the gate's account roles/run.invoker" },
};

export const GATE_FLAGS: AdminFlags = {
  "gate-namespace": { type: "string", value: "NAMESPACE", help: `namespace of the gate (${GATE_NAMESPACE})` },
  "cluster-domain": { type: "string", value: "DOMAIN", help: "DNS domain of the cluster (cluster.local)" },
};

export function vpcOf(args: AdminArguments) {
  return { connector: args.text("vpc-connector"), network: args.text("network"), subnet: args.text("subnet") };
}

export function gateOf(args: AdminArguments) {
  return {
    gateNamespace: args.text("gate-namespace") ?? GATE_NAMESPACE,
    clusterDomain: args.text("cluster-domain") ?? "cluster.local",
  };
}

/** @throws {UsageError} a port of another form */
export function registrationOf(args: AdminArguments) {
  return {
    ports: readPorts(args.all("port")),
    serviceAccount: args.text("ksa"),
    gateIp: args.text("gate-ip"),
    gateAccount: args.text("gate-account"),
    invoker: !args.is("no-invoker"),
    ...gateOf(args),
  };
}

/** `--env NAME=VALUE`, given several times. @throws {UsageError} another form, or a name that Cloud Run keeps for itself */
export function variablesOf(args: AdminArguments, flag = "env"): Record<string, string> {
  return Object.fromEntries(
    args.all(flag).map((text) => {
      const [, name, value] = /^([A-Za-z_][\w.-]*)=([^]*)$/.exec(text) ?? [];
      const wrong = (got: string, fix: string) => new UsageError({ tried: `read --${flag}`, got, fix });
      if (name === undefined) throw wrong("a word that is no NAME=VALUE", `--${flag} NAME=VALUE`);
      if (/^(?:PORT|K_SERVICE|K_REVISION|K_CONFIGURATION)$/.test(name)) {
        throw wrong(name, "Cloud Run sets it by itself: leave it out");
      }
      return [name, value!];
    }),
  );
}
