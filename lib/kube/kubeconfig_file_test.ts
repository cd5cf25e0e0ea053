import assert from "node:assert/strict";
import { Problem } from "../base/errors.ts";
import { readKubeconfig } from "./kubeconfig.ts";

const file = (context: string, parts: { clusters?: object[]; users?: object[]; current?: boolean }) =>
  JSON.stringify({
    ...(parts.current === false ? {} : { "current-context": context }),
    contexts: [{ name: context, context: { cluster: "c", user: "u", namespace: context } }],
    clusters: parts.clusters ?? [],
    users: parts.users ?? [],
  });

Deno.test("KUBECONFIG of several paths: the first entry of a name counts, missing files are passed over", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${directory}/b`);
    await Deno.writeTextFile(
      `${directory}/a.json`,
      file("first", { users: [{ name: "u", user: { token: "token-of-a" } }] }),
    );
    const cluster = { name: "c", cluster: { server: "https://c.example", "certificate-authority": "ca.pem" } };
    const users = [{ name: "u", user: { token: "token-of-b" } }];
    await Deno.writeTextFile(`${directory}/b/b.json`, file("second", { clusters: [cluster], users }));
    await Deno.writeTextFile(`${directory}/b/ca.pem`, "PEM");

    const value = `${directory}/missing.json:${directory}/a.json:${directory}/b/b.json`;
    const { access, context, namespace } = await readKubeconfig(value, { environment: {} });
    assert.equal(context, "first");
    assert.equal(namespace, "first");
    assert.equal(access.server, "https://c.example");
    assert.equal(access.ca, "PEM", "a path is relative to the file it stands in");
    assert.equal((await access.authorization!())!.reveal(), "Bearer token-of-a");
    assert.equal((await readKubeconfig(value, { environment: {}, context: "second" })).namespace, "second");
    await assert.rejects(readKubeconfig(`${directory}/x:${directory}/y`, { environment: {} }), Problem);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
