import assert from "node:assert/strict";
import { Secret } from "../base/secret.ts";
import { getCluster, listClusters } from "./gke.ts";
import { projectLabels, projectNumber } from "./projects.ts";
import { headersFor, memberHint, refusalFix } from "./refusal.ts";
import { cloudRun } from "./run.ts";

const accessToken = () => Promise.resolve(new Secret("t"));
const PERSON = { origin: "adc.json", isPersonal: true, accessToken };
const ACCOUNT = { origin: "key.json", account: "robot@p.iam.gserviceaccount.com", accessToken };
const asked = { credentials: PERSON, api: "run.googleapis.com", project: "p", permission: "run.services.get" };

const CASES: [name: string, status: number, answer: string, given: Partial<typeof asked>, fix: RegExp | undefined][] = [
  [
    "a role that holds it",
    403,
    "no",
    {},
    /^grant run\.services\.get: gcloud .* p --member user:YOU --role roles\/run\.viewer$/,
  ],
  ["the project may be misspelt", 403, "no (or it may not exist)", {}, /roles\/run\.viewer; or check the name p$/],
  ["another", 403, "no", { permission: "iam.serviceAccounts.create" }, /--role roles\/iam\.serviceAccountAdmin$/],
  ["one that nobody knows", 403, "no", { permission: "x.y.z" }, /^grant x\.y\.z: .*--role ROLE, one that holds it$/],
  [
    "the API is off",
    403,
    '"reason": "SERVICE_DISABLED"',
    {},
    /^gcloud services enable run\.googleapis\.com --project p$/,
  ],
  ["nobody pays", 403, "USER_PROJECT_DENIED", {}, /^grant serviceusage\.services\.use: .*serviceUsageConsumer$/],
  [
    "a perimeter",
    403,
    "Request is prohibited by organization's policy.",
    {},
    /^the organization's VPC Service Controls/,
  ],
  ["a token that has ended", 401, "", {}, /gcloud auth application-default login/],
  ["anything else", 500, "SERVICE_DISABLED", {}, undefined],
];
for (const [name, status, answer, given, fix] of CASES) {
  Deno.test(`refused by Google: ${name}`, () => {
    const found = refusalFix(status, answer, { ...asked, ...given });
    if (fix) assert.match(found!, fix);
    else assert.equal(found, undefined);
  });
}

Deno.test("who asks Google: a person for a project, an account for its own", async () => {
  assert.deepEqual(await headersFor(PERSON, "p"), { authorization: "Bearer t", "x-goog-user-project": "p" });
  assert.deepEqual(await headersFor(ACCOUNT, "p"), { authorization: "Bearer t" });
  assert.deepEqual(
    [PERSON, ACCOUNT, { origin: "metadata server", accessToken }].map(memberHint),
    ["user:YOU", "serviceAccount:robot@p.iam.gserviceaccount.com", "serviceAccount:ACCOUNT"],
  );
});

Deno.test("a person's requests to each API say for which project they are", async () => {
  const said: (string | null)[] = [];
  const fetch = (_url: string, init: RequestInit) => {
    said.push(new Headers(init.headers).get("x-goog-user-project"));
    return Promise.resolve(new Response("{}", { status: 404 }));
  };
  const rest = { credentials: PERSON, fetch };
  const calls = [
    getCluster({ project: "p", location: "r", name: "c" }, rest),
    listClusters("p", rest),
    projectLabels("p", rest),
    cloudRun(rest).service("p", "r", "s"),
    projectNumber("p", rest),
  ];
  for (const call of calls) await assert.rejects(call, { status: 404 });
  assert.deepEqual(said, calls.map(() => "p"));
});
