import assert from "node:assert/strict";
import { exposition } from "./exposition.ts";

Deno.test("exposition: help, type, samples; labels that would end early are escaped", () => {
  assert.equal(
    exposition([
      ["a_total", "counter", "What a is.", [[{}, 3]]],
      ["b", "gauge", "What b is.", [[{ service: 'x"}\\\n', result: "ok" }, 0.5]]],
      ["c", "gauge", "Nothing to say.", []],
    ]),
    "# HELP a_total What a is.\n# TYPE a_total counter\na_total 3\n" +
      '# HELP b What b is.\n# TYPE b gauge\nb{service="x\\"}\\\\\\n",result="ok"} 0.5\n',
  );
});
