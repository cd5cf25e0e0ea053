import { createHash } from "node:crypto";
import { UsageError } from "../../base/errors.ts";
import { accountEmail, isAccountId } from "../../gcp/mod.ts";
import { isLabel } from "../../registration/mod.ts";
import { namespaceOfAccount } from "../../settings/mod.ts";

/** What the words of `setup-namespace` say. */
export interface NamespaceWords {
  namespace: string;
  /** `undefined` where none can be found. */
  project: string | undefined;
  /** `--service-account` */
  account: string | undefined;
  /** `--user`: off Google Cloud, who krun is to the cluster. */
  user: string | undefined;
  /** `--ksa`. @default "default" */
  serviceAccount: string | undefined;
  /** `--mesh-revision` */
  revision: string | undefined;
  /** Not `--no-iam`. */
  grants: boolean;
}

export interface NamespaceSettings {
  namespace: string;
  /** Kubernetes service account whose identity the workloads get. */
  serviceAccount: string;
  /** `istio.io/rev`; `undefined` for the default revision. */
  revision: string | undefined;
  /** Who krun is to the cluster, as RBAC names users: on GKE the e-mail address of the Google account. */
  user: string;
  /** `undefined` off Google Cloud. */
  google: GoogleSide | undefined;
}

export interface GoogleSide {
  project: string;
  email: string;
  /** Of an account that is made where it is missing; `undefined` for one that was named, and has to be there. */
  accountId: string | undefined;
  /** Whether the project's IAM policy is this command's business. */
  grants: boolean;
}

/** @throws {UsageError} a name that cannot be one, or nothing that says who krun will be */
export function namespaceSettings(words: NamespaceWords): NamespaceSettings {
  const { namespace, project, account, user, serviceAccount = "default", revision, grants } = words;
  const wrong = (got: string, fix: string) => new UsageError({ tried: `set up namespace ${namespace}`, got, fix });
  if (!isLabel(namespace)) throw wrong("no name of a namespace", "lower case letters, digits and hyphens, 63 at most");
  if (!isLabel(serviceAccount)) throw wrong(`--ksa ${serviceAccount} is no name of a service account`, "--ksa NAME");
  if (revision !== undefined && !isLabel(revision)) {
    throw wrong(`--mesh-revision ${revision} is no revision of Istio`, "istioctl tag list shows those there are");
  }
  if (user !== undefined && account !== undefined) {
    throw wrong("--user and --service-account", "one of them: --user is for clusters outside Google Cloud");
  }
  if (account !== undefined && !/^[^@\s/]+@[^@\s/]+$/.test(account)) {
    throw wrong(
      `--service-account ${account} is no e-mail address`,
      "--service-account NAME@PROJECT.iam.gserviceaccount.com",
    );
  }
  const shared = { namespace, serviceAccount, revision };
  if (user !== undefined) return { ...shared, user, google: undefined };
  if (project === undefined) throw wrong("no Google Cloud project", "--project PROJECT, or elsewhere: --user NAME");
  const accountId = account === undefined ? accountIdOf(namespace) : undefined;
  const email = account ?? accountEmail(accountId!, project);
  return { ...shared, user: email, google: { project, email, accountId, grants } };
}

/** Letters of a hash that tells namespaces apart whose names begin alike. */
const HASH_LETTERS = 8;
const LONGEST_ID = 30;

/**
 * `k8s-NS`, as krun expects it. Where that is no account id (one letter, or more than 26) the name's beginning and 8 letters of its SHA-256,
 * `k8s-BEGINNING-HASH`; krun cannot read the namespace from such an account.
 */
export function accountIdOf(namespace: string): string {
  const id = `k8s-${namespace}`;
  if (isAccountId(id)) return id;
  const hash = createHash("sha256").update(namespace).digest("hex").slice(0, HASH_LETTERS);
  const beginning = namespace.slice(0, LONGEST_ID - "k8s-".length - 1 - HASH_LETTERS).replace(/-+$/, "");
  return `k8s-${beginning}-${hash}`;
}

/** Variables that krun needs to find the namespace, since the account's name does not say it: `{}` where it does. */
export function variablesOf({ namespace, serviceAccount, google }: NamespaceSettings): Record<string, string> {
  return {
    ...(namespaceOfAccount(google?.email) === namespace ? {} : { WORKLOAD_NAMESPACE: namespace }),
    ...(serviceAccount === "default" ? {} : { WORKLOAD_SERVICE_ACCOUNT: serviceAccount }),
  };
}
