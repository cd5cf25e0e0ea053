import assert from "node:assert/strict";
import { readRegions, readUrls } from "./regions.ts";

const GOOD: [given: string[], expected: Record<string, number>][] = [
  [[], {}],
  [["us-central1"], { "us-central1": 1 }],
  [["us-central1,europe-west1"], { "us-central1": 1, "europe-west1": 1 }],
  [["us-central1=75", "europe-west1=25"], { "us-central1": 75, "europe-west1": 25 }],
  [["us-central1=1,europe-west1=0"], { "us-central1": 1, "europe-west1": 0 }],
  [["us-central1=1000000"], { "us-central1": 1_000_000 }],
];
for (const [given, expected] of GOOD) {
  Deno.test(`regions: ${given.join(" ") || "none"}`, () => {
    assert.deepEqual(Object.fromEntries(readRegions(given).map(({ region, weight }) => [region, weight])), expected);
  });
}

Deno.test("regions: weights apart from them, in their order", () => {
  assert.deepEqual(readRegions(["a", "b"], ["75", "25"]), [{ region: "a", weight: 75 }, { region: "b", weight: 25 }]);
  for (const [given, weights] of [[["a", "b"], ["1"]], [["a=1", "b"], ["1", "2"]], [[], ["1"]], [["a"], ["x"]]]) {
    assert.throws(() => readRegions(given!, weights), { name: "UsageError" });
  }
});

const BAD: [given: string[], expected: RegExp][] = [
  [["us-central1,"], /""|"=1"/],
  [["US"], /"US/],
  [["us-central1=a"], /weight "a"/],
  [["us-central1=-1"], /weight "-1"/],
  [["us-central1=1.5"], /weight "1.5"/],
  [["us-central1=1000001"], /weight "1000001"/],
  [["us-central1=1=2"], /"us-central1=1=2"/],
  [["us-central1", "us-central1"], /us-central1 twice/],
  [["us-central1=75", "europe-west1"], /a weight for some regions/],
  [["us-central1=0", "europe-west1=0"], /no weight above 0/],
];
for (const [given, expected] of BAD) {
  Deno.test(`regions: not ${given.join(" ")}`, () => assert.throws(() => readRegions(given), expected));
}

Deno.test("regions: URLs of one and of several", () => {
  const urls = (given: string[], ...regions: string[]) => Object.fromEntries(readUrls(given, regions));
  assert.deepEqual(urls(["https://shop.example.com/"], "us-central1"), { "us-central1": "https://shop.example.com" });
  assert.deepEqual(urls(["b=https://shop.example.com:8443"], "a", "b"), { b: "https://shop.example.com:8443" });
  assert.deepEqual(urls([], "a"), {});
  const bad: [given: string[], regions: string[], expected: RegExp][] = [
    [["http://shop.example.com"], ["a"], /"http:/],
    [["https://shop.example.com/path"], ["a"], /path"/],
    [["https://user@shop.example.com"], ["a"], /"https:/],
    [["https://shop.example.com"], ["a", "b"], /for 2 regions/],
    [["c=https://shop.example.com"], ["a", "b"], /region c, which is not registered/],
    [["a=https://x.example", "a=https://y.example"], ["a"], /a twice/],
  ];
  for (const [given, regions, expected] of bad) assert.throws(() => readUrls(given, regions), expected);
});
