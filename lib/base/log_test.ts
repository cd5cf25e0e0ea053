import assert from "node:assert/strict";
import { type LogFormat, logger, type LogLevel, setUpLogging } from "./log.ts";
import { Secret } from "./secret.ts";

async function linesOf(level: LogLevel, format: LogFormat, speak: () => void): Promise<string[]> {
  const lines: string[] = [];
  await setUpLogging({ level, format, write: (line) => lines.push(line) });
  try {
    speak();
  } finally {
    await setUpLogging({ level: "error", format: "text", write: () => {} });
  }
  return lines;
}

Deno.test("log: a JSON line as Cloud Logging reads it", async () => {
  const [line] = await linesOf("info", "json", () => logger("krun", "x").warn("look", { port: 8080, roots: ["a"] }));
  const { timestamp, ...rest } = JSON.parse(line!);
  assert.deepEqual(rest, { severity: "WARNING", message: "look", component: "krun.x", port: 8080, roots: ["a"] });
  assert(!Number.isNaN(Date.parse(timestamp)));
});

Deno.test("log: a line for people", async () => {
  const [line] = await linesOf("info", "text", () => logger("krun").error("it failed", { port: 1, name: "x" }));
  assert.match(line!, /^\d\d:\d\d:\d\d\.\d{3} ✗ krun: it failed port=1 name=x\n$/);
});

Deno.test("log: levels below the wanted one are left out", async () => {
  const log = logger("krun");
  const lines = await linesOf("warning", "text", () => {
    log.debug("a");
    log.info("b");
    log.warn("c");
    log.error("d");
  });
  assert.deepEqual(lines.map((line) => line.trim().at(-1)), ["c", "d"]);
});

for (const format of ["text", "json"] as const) {
  Deno.test(`log: braces in a message are text (${format})`, async () => {
    const said = 'got {"code": 1} and {name} {{x}} }{';
    const [line] = await linesOf("info", format, () => logger("krun").info(said, { name: "value" }));
    assert(line!.includes(format === "json" ? JSON.stringify(said).slice(1, -1) : said), line!);
  });

  Deno.test(`log: no secret in message, field, list, nested field or error (${format})`, async () => {
    const secret = new Secret("plant-0123456789");
    const plain = secret.reveal();
    const [line] = await linesOf("info", format, () =>
      logger("krun").info(`it is ${plain}`, {
        text: plain,
        secret,
        list: [plain],
        deep: { deeper: { text: plain } },
        error: new Error(plain),
      }));
    assert.equal(line!.includes(plain), false, line!);
    assert.equal(line!.split("[secret]").length - 1, 6);
  });
}
