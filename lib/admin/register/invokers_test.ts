import assert from "node:assert/strict";
import { keyOf } from "./grants.ts";
import { invokerPlan, type InvokerRegion } from "./invokers.ts";

const US = { project: "my-project", region: "us-central1", service: "web" };
const EU = { ...US, region: "europe-west1" };
const [GATE, OLD] = ["serviceAccount:hgate@p.iam", "serviceAccount:old@p.iam"];
const us = { cloudRun: US, member: GATE };
const eu = { cloudRun: EU, member: GATE };
const old = { cloudRun: US, member: OLD };
const region = (cloudRun: typeof US, more: Partial<InvokerRegion> = {}) => ({
  cloudRun,
  isOpen: false,
  has: false,
  ...more,
});

const CASES: [
  name: string,
  args: Parameters<typeof invokerPlan>,
  expected: { give?: unknown[]; takeBack?: unknown[]; remembered?: unknown[]; kept?: unknown[] },
][] = [
  ["new", [[], GATE, [region(US)]], { give: [us], remembered: [us], kept: [us] }],
  ["another gave it", [[], GATE, [region(US, { has: true })]], {}],
  ["we gave it", [[us], GATE, [region(US, { has: true })]], { remembered: [us], kept: [us] }],
  ["remembered, and then cut off", [[us], GATE, [region(US)]], { give: [us], remembered: [us], kept: [us] }],
  ["open to all", [[], GATE, [region(US, { isOpen: true })]], {}],
  ["opened since", [[us], GATE, [region(US, { isOpen: true, has: true })]], { remembered: [us], kept: [us] }],
  ["a region more", [[us], GATE, [region(US, { has: true }), region(EU)]], {
    give: [eu],
    remembered: [us, eu],
    kept: [us, eu],
  }],
  ["a region less", [[us, eu], GATE, [region(EU, { has: true })]], {
    takeBack: [us],
    remembered: [us, eu],
    kept: [eu],
  }],
  ["another account", [[old], GATE, [region(US)]], {
    give: [us],
    takeBack: [old],
    remembered: [old, us],
    kept: [us],
  }],
  ["nobody is to be given it", [[us], undefined, []], { remembered: [us], kept: [us] }],
];
for (const [name, args, expected] of CASES) {
  Deno.test(`invokers: ${name}`, () => {
    const { give, takeBack, remembered, kept } = invokerPlan(...args);
    const keys = (grants: unknown[] = []) => (grants as (typeof us)[]).map(keyOf);
    assert.deepEqual(
      { give: keys(give), takeBack: keys(takeBack), remembered: keys(remembered), kept: keys(kept) },
      {
        give: keys(expected.give),
        takeBack: keys(expected.takeBack),
        remembered: keys(expected.remembered),
        kept: keys(expected.kept),
      },
    );
  });
}
