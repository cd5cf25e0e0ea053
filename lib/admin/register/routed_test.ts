import assert from "node:assert/strict";
import { missingRoute } from "./routed.ts";

const WANTED = new Map([["prod/web", "https://web-uc.a.run.app"]]);
const route = (to: string, service = "prod/web", kind = "tunnel") => ({ kind, service, names: [], to, open: 0 });
const reportOf = (routes: ReturnType<typeof route>[], problems: (typeof problem)[]) => ({
  notReady: null,
  routes,
  problems,
});
const GOOD = route("https://web-uc.a.run.app/_hbone/15003");
const problem = { object: "Service prod/web", problem: "HGATE_FRONT_END_HOSTS does not have it" };

const CASES: [name: string, routes: ReturnType<typeof route>[], problems: (typeof problem)[], expected?: RegExp][] = [
  ["there", [GOOD], []],
  ["there, though something else is wrong with it", [GOOD], [problem]],
  ["not there", [], [], /^prod\/web to https:\/\/web-uc\.a\.run\.app: not there yet$/],
  ["refused", [], [problem], /^Service prod\/web: HGATE_FRONT_END_HOSTS/],
  ["another's problem", [], [{ ...problem, object: "Service prod/web2" }], /not there yet$/],
  ["to where it was", [route("https://old.a.run.app/_hbone/15003")], [], /leads to https:\/\/old.*, not there yet$/],
  ["to a longer host", [route("https://web-uc.a.run.app.evil.example/_hbone/15003")], [], /not there yet$/],
  ["another's", [route(GOOD.to, "dev/web")], [], /not there yet$/],
  ["of another kind", [route(GOOD.to, "prod/web", "service")], [], /not there yet$/],
];
for (const [name, routes, problems, expected] of CASES) {
  Deno.test(`routed: ${name}`, () => {
    const missing = missingRoute([reportOf([GOOD], []), reportOf(routes, problems)], WANTED);
    if (expected) assert.match(missing!, expected);
    else assert.equal(missing, undefined);
  });
}
