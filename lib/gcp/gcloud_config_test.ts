import assert from "node:assert/strict";
import { inDirectory } from "../../tests/temporary_directory.ts";
import { readGcloudConfig } from "./gcloud_config.ts";

Deno.test("gcloud: the active configuration, and the environment before it", () =>
  inDirectory(async (directory) => {
    const environment = { CLOUDSDK_CONFIG: directory };
    assert.equal((await readGcloudConfig(environment)).get("core/project"), undefined, "nothing is there");
    await Deno.mkdir(`${directory}/configurations`);
    await Deno.writeTextFile(
      `${directory}/configurations/config_default`,
      "[core]\nproject = p-default\n# a comment\naccount=a@b.c\n\n[run]\nregion = europe-west1\nnonsense\n",
    );
    await Deno.writeTextFile(`${directory}/configurations/config_work`, "[core]\nproject: p-work\n");
    const plain = await readGcloudConfig(environment);
    assert.deepEqual(
      ["core/project", "run/region", "core/account", "compute/region"].map((name) => plain.get(name)),
      ["p-default", "europe-west1", "a@b.c", undefined],
    );
    assert.equal(plain.origin, "gcloud configuration default");
    await Deno.writeTextFile(`${directory}/active_config`, "work\n");
    assert.equal((await readGcloudConfig(environment)).get("core/project"), "p-work");
    const named = await readGcloudConfig({ ...environment, CLOUDSDK_ACTIVE_CONFIG_NAME: "default" });
    assert.equal(named.get("core/project"), "p-default");
    assert.equal(
      (await readGcloudConfig({ ...environment, CLOUDSDK_CORE_PROJECT: "p-env" })).get("core/project"),
      "p-env",
    );
    const outside = await readGcloudConfig({ ...environment, CLOUDSDK_ACTIVE_CONFIG_NAME: "../../etc" });
    assert.equal(outside.get("core/project"), undefined, "a name is no path");
  }));
