import assert from "node:assert/strict";
import { Secret } from "../base/secret.ts";
import { editPolicy, withMember } from "./policy.ts";
import { RUN_INVOKER, runServicePolicy } from "./run_policy.ts";

const GATE = "serviceAccount:hgate@p.iam.gserviceaccount.com";
const WEB = { project: "my-project", region: "us-central1", service: "web" };
const URL_OF_WEB = "https://run.googleapis.com/v2/projects/my-project/locations/us-central1/services/web";

/** Answers in their order, and what was asked. */
function google(...answers: [status: number, body: unknown][]) {
  const asked: [method: string, url: string, body: unknown][] = [];
  const credentials = {
    origin: "test",
    isPersonal: false,
    accessToken: () => Promise.resolve(new Secret("token")),
  };
  const rest = {
    credentials: credentials as unknown as Parameters<typeof runServicePolicy>[1]["credentials"],
    fetch: (url: string, { method = "GET", body }: RequestInit) => {
      asked.push([method, url, body === undefined ? undefined : JSON.parse(body as string)]);
      const [status, value] = answers.shift()!;
      return Promise.resolve(new Response(JSON.stringify(value), { status }));
    },
  };
  return { rest, asked };
}

Deno.test("run policy: read with a GET that asks for conditions, written back whole with its etag", async () => {
  const bindings = [{ role: RUN_INVOKER, members: ["user:a@example.com"], condition: { title: "t", expression: "e" } }];
  const { rest, asked } = google([200, { version: 3, etag: "e1", bindings }], [200, { version: 3, etag: "e2" }]);
  await editPolicy(runServicePolicy(WEB, rest), (policy) => withMember(policy, RUN_INVOKER, GATE));
  assert.deepEqual(asked, [
    ["GET", `${URL_OF_WEB}:getIamPolicy?options.requestedPolicyVersion=3`, undefined],
    ["POST", `${URL_OF_WEB}:setIamPolicy`, {
      policy: { version: 3, etag: "e1", bindings: [...bindings, { role: RUN_INVOKER, members: [GATE] }] },
    }],
  ]);
});

Deno.test("run policy: another editor's change in between is kept", async () => {
  const other = { role: "roles/run.viewer", members: ["user:b@example.com"] };
  const { rest, asked } = google(
    [200, { version: 1, etag: "e1" }],
    [409, { error: { code: 409, message: "concurrent policy changes", status: "ABORTED" } }],
    [200, { version: 1, etag: "e2", bindings: [other] }],
    [200, { version: 1, etag: "e3" }],
  );
  await editPolicy(runServicePolicy(WEB, rest), (policy) => withMember(policy, RUN_INVOKER, GATE));
  assert.deepEqual(asked.at(-1)![2], {
    policy: { version: 3, etag: "e2", bindings: [other, { role: RUN_INVOKER, members: [GATE] }] },
  });
});

Deno.test("run policy: what is missing is named", async () => {
  const cases: [status: number, expected: RegExp][] = [
    [403, /read the IAM policy of Cloud Run service web in us-central1 .*\n.*403.*\n.*run\.services\.getIamPolicy/],
    [404, /gcloud run services list --project my-project/],
  ];
  for (const [status, expected] of cases) {
    const { rest } = google([status, { error: { code: status, message: "no", status: "X" } }]);
    await assert.rejects(runServicePolicy(WEB, rest).read(), expected);
  }
});
