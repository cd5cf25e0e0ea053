import type { GoogleCredentials } from "./credentials.ts";

/** Who asks, and for which project. */
export interface Asked {
  credentials: GoogleCredentials;
  /** `run.googleapis.com` */
  api: string;
  project: string;
  /** `iam.serviceAccounts.create` */
  permission: string;
}

/** The narrowest of Google's own roles that holds a permission, https://cloud.google.com/iam/docs/roles-permissions. */
const ROLES: readonly [permissions: RegExp, role: string][] = [
  [/^run\.(?:services\.(?:get|list|getIamPolicy)|revisions\.get|operations\.get)$/, "roles/run.viewer"],
  [/^run\.services\.(?:create|update)$/, "roles/run.developer"],
  [/^run\.services\.setIamPolicy$/, "roles/run.admin"],
  [/^iam\.serviceAccounts\.(?:get|getIamPolicy)$/, "roles/iam.serviceAccountViewer"],
  [/^iam\.serviceAccounts\.(?:create|delete)$/, "roles/iam.serviceAccountAdmin"],
  [/^resourcemanager\.projects\.[gs]etIamPolicy$/, "roles/resourcemanager.projectIamAdmin"],
  [/^resourcemanager\.projects\.get$/, "roles/browser"],
  [/^serviceusage\.services\.get$/, "roles/serviceusage.serviceUsageViewer"],
  [/^serviceusage\.services\.use$/, "roles/serviceusage.serviceUsageConsumer"],
  [/^container\.clusters\.(?:get|list)$/, "roles/container.clusterViewer"],
];

/** What to do where one of Google's APIs does not let somebody in; `undefined` for any other answer. */
export function refusalFix(status: number, answer: string, asked: Asked): string | undefined {
  const { api, project, permission, credentials } = asked;
  if (status === 401) {
    return credentials.isPersonal
      ? "the access token was refused: gcloud auth application-default login, and check the machine's clock"
      : "the access token was refused: check the account's credentials and the machine's clock";
  }
  if (status !== 403) return undefined;
  if (/SERVICE_DISABLED|has not been used|is disabled/.test(answer)) {
    return `gcloud services enable ${api} --project ${project}`;
  }
  if (/USER_PROJECT_DENIED/.test(answer)) return grantCommand({ ...asked, permission: "serviceusage.services.use" });
  // https://cloud.google.com/vpc-service-controls/docs/troubleshooting
  if (/organization's policy|VPC_SERVICE_CONTROLS/i.test(answer)) {
    return "the organization's VPC Service Controls keep it out: ask their administrator, with the answer's identifier";
  }
  const other = /may not exist/.test(answer) ? `; or check the name ${project}` : "";
  return grantCommand({ ...asked, permission }) + other;
}

function grantCommand({ permission, project, credentials }: Asked): string {
  const role = ROLES.find(([permissions]) => permissions.test(permission))?.[1] ?? "ROLE, one that holds it";
  return `grant ${permission}: gcloud projects add-iam-policy-binding ${project} --member ${
    memberHint(credentials)
  } --role ${role}`;
}

/** Who asks, as a member of IAM policies, or a word in the place of what only they know. */
export function memberHint({ isPersonal, account }: GoogleCredentials): string {
  return isPersonal ? "user:YOU" : `serviceAccount:${account ?? "ACCOUNT"}`;
}

/**
 * Headers of a request by these credentials. A person's belong to no project of their own:
 * https://cloud.google.com/docs/quotas/set-quota-project
 */
export async function headersFor(credentials: GoogleCredentials, project: string): Promise<Record<string, string>> {
  return {
    authorization: `Bearer ${(await credentials.accessToken()).reveal()}`,
    ...(credentials.isPersonal ? { "x-goog-user-project": project } : {}),
  };
}
