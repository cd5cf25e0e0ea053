import { UsageError } from "../lib/base/errors.ts";
import { namespaceSettings, setUpNamespace } from "../lib/admin/mod.ts";
import type { AdminCommand } from "./admin_command.ts";
import { ADMIN_NAMES } from "./admin_names.ts";
import { namespacePlace } from "./namespace_place.ts";

export const command: AdminCommand = {
  name: "setup-namespace",
  summary: ADMIN_NAMES["setup-namespace"],
  words: ["NAMESPACE"],
  flags: {
    "service-account": {
      type: "string",
      value: "EMAIL",
      help: "Google account that services run as (k8s-NAMESPACE, made)",
    },
    ksa: { type: "string", value: "NAME", help: "Kubernetes service account whose identity they get (default)" },
    "mesh-revision": { type: "string", value: "REV", help: "revision of Istio for the namespace (the default one)" },
    "no-iam": {
      type: "boolean",
      help: "leave the project's IAM policy alone, and say what its administrator has to do",
    },
    user: {
      type: "string",
      value: "NAME",
      help: "outside Google Cloud: who krun is to the cluster; nothing is asked of Google",
    },
  },
  more:
    `Made, and taken back by teardown-namespace: the Google account, the namespace with its labels, Role and RoleBinding
for tokens and mesh-env, a WorkloadGroup, and the account's roles/container.clusterViewer. What is there already is
kept.`,
  examples: ["setup-namespace shop"],
  async plan(args, context, { signal }) {
    const user = args.text("user");
    const project = user === undefined ? await context.project().catch(noProject) : undefined;
    const settings = namespaceSettings({
      namespace: args.words[0]!,
      project,
      account: args.text("service-account"),
      user,
      serviceAccount: args.text("ksa"),
      revision: args.text("mesh-revision"),
      grants: !args.is("no-iam"),
    });
    return await setUpNamespace(settings, await namespacePlace(context, project), signal);
  },
};

function noProject(error: unknown): never {
  if (!(error instanceof UsageError)) throw error;
  const { tried, got, fix } = error;
  throw new UsageError({ tried, got, fix: `${fix}; outside Google Cloud: --user NAME`, cause: error });
}
