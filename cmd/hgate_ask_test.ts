import assert from "node:assert/strict";
import { hgateAsk } from "./hgate_ask.ts";
import { inDirectory } from "../tests/temporary_directory.ts";

Deno.test("hgate ask: an answer below 500 is one, what is above is asked again; the last word is left for Kubernetes", () =>
  inDirectory(async (directory) => {
    const answers = [new TypeError("no such host"), 503, 404];
    const fetch = () => {
      const next = answers.shift()!;
      return next instanceof Error
        ? Promise.reject(next)
        : Promise.resolve(new Response("no healthy upstream", { status: next }));
    };
    const said: string[] = [];
    const options = { print: (text: string) => said.push(text), terminationLog: `${directory}/log`, waitMs: 1, fetch };
    assert.equal(await hgateAsk("http://web.shop:8080/", options), 0);
    assert.match(said.join(""), /^404 in \d+ ms\n$/);
    assert.match(await Deno.readTextFile(`${directory}/log`), /^404 in \d+ ms$/);
    answers.push(503, 503);
    assert.equal(await hgateAsk("http://web.shop:8080/", { ...options, limitMs: 0 }), 1);
    assert.equal(await Deno.readTextFile(`${directory}/log`), "503 no healthy upstream");
    for (const url of [undefined, "web", "file:///etc/passwd"]) {
      await assert.rejects(hgateAsk(url, options), { name: "UsageError" }, url);
    }
  }));
