import assert from "node:assert/strict";
import type { RunService } from "../../gcp/mod.ts";
import { runWarnings } from "./run_warnings.ts";
import { targetOf } from "./target.ts";

const NAME = { project: "my-project", region: "us-central1", service: "web" };
const OWN = "https://web-abc-uc.a.run.app";
const DOMAIN = "https://shop.example.com";
const WEB: RunService = {
  name: "projects/my-project/locations/us-central1/services/web",
  urls: [OWN, "https://web-123.us-central1.run.app"],
  audiences: [],
  timeoutMs: 300_000,
  concurrency: 80,
  ingress: "all",
  isOpen: false,
  port: { number: 15_009, isHttp2: true },
  serviceAccount: undefined,
  generation: undefined,
  hasVpcEgress: true,
  problem: undefined,
};

const TARGETS: [
  name: string,
  service: Partial<RunService>,
  given: { url?: string; audience?: string },
  expected: { url?: string; audience?: string },
  warnings: RegExp[],
][] = [
  ["Cloud Run's own", {}, {}, {}, []],
  ["its second one, by hand", {}, { url: "https://web-123.us-central1.run.app/" }, {
    url: "https://web-123.us-central1.run.app",
  }, []],
  ["a domain that is a custom audience", { audiences: ["x", DOMAIN] }, { url: DOMAIN }, { url: DOMAIN }, [
    /HGATE_FRONT_END_HOSTS has it/,
  ]],
  ["a domain with another custom audience", { audiences: ["shop"] }, { url: DOMAIN }, {
    url: DOMAIN,
    audience: "shop",
  }, [/HGATE_FRONT_END_HOSTS/, /HGATE_AUDIENCES has shop\.example\.com=shop/]],
  ["a domain without any", {}, { url: DOMAIN }, { url: DOMAIN }, [
    /takes no ID token for https:\/\/shop\.example\.com:\ngcloud run services update web --project my-project --region us-central1 --add-custom-audiences https:\/\/shop\.example\.com$/,
    /HGATE_FRONT_END_HOSTS/,
  ]],
  ["an audience by hand", { audiences: ["shop"] }, { audience: "shop" }, { audience: "shop" }, [
    /HGATE_AUDIENCES has web-abc-uc\.a\.run\.app=shop/,
  ]],
  ["an audience that is none of its", {}, { audience: "shop" }, { audience: "shop" }, [
    /--add-custom-audiences shop/,
    /HGATE_AUDIENCES/,
  ]],
  ["a domain and its own URL as audience", {}, { url: DOMAIN, audience: OWN }, { url: DOMAIN, audience: OWN }, [
    /HGATE_FRONT_END_HOSTS/,
    /HGATE_AUDIENCES has shop\.example\.com=https:\/\/web-abc/,
  ]],
  ["no default URL, a domain", { urls: [], audiences: [DOMAIN] }, { url: DOMAIN }, { url: DOMAIN }, [
    /HGATE_FRONT_END_HOSTS/,
  ]],
];
for (const [name, service, given, expected, warnings] of TARGETS) {
  Deno.test(`target: ${name}`, () => {
    const { url, audience, warnings: told } = targetOf({ ...WEB, ...service }, NAME, given);
    assert.deepEqual([url, audience], [expected.url, expected.audience]);
    assert.equal(told.length, warnings.length, told.join("\n"));
    for (const [at, expected] of warnings.entries()) assert.match(told[at]!, expected);
  });
}

Deno.test("target: no URL at all", () => {
  assert.throws(() => targetOf({ ...WEB, urls: [] }, NAME, {}), /switched off\n.*--url https:\/\/DOMAIN/);
});

const UPDATE = "gcloud run services update web --project my-project --region us-central1";
const WARNINGS: [name: string, service: Partial<RunService>, expected: RegExp | undefined][] = [
  ["well", {}, undefined],
  ["HTTP/1", { port: { number: 15_009, isHttp2: false } }, /gets HTTP\/1 on port 15009, .*:\n.* --use-http2$/],
  ["another port", { port: { number: 8080, isHttp2: true } }, /gets HTTP\/2 on port 8080, .*:\n.* --port 15009$/],
  ["both", { port: { number: 8080, isHttp2: false } }, new RegExp(`\n${UPDATE} --use-http2 --port 15009$`)],
  ["closed", { ingress: "none" }, /takes no requests \(ingress none\):\n.* --ingress all$/],
  ["internal", { ingress: "internal" }, /\(ingress internal\): .*Private Google Access/],
  ["behind a balancer", { ingress: "internal-and-load-balancing" }, /\(ingress internal-and-load-balancing\)/],
  ["of this namespace", { serviceAccount: "k8s-shop@p.iam.gserviceaccount.com" }, undefined],
  [
    "of another",
    { serviceAccount: "k8s-dev@p.iam.gserviceaccount.com" },
    /of namespace dev, by its account k8s-dev@.*shop:/,
  ],
  [
    "told another",
    { serviceAccount: "k8s-shop@p.iam.gserviceaccount.com", namespace: "dev" },
    new RegExp(
      `by its WORKLOAD_NAMESPACE, .*: --namespace dev, or\n${UPDATE} --update-env-vars WORKLOAD_NAMESPACE=shop$`,
    ),
  ],
  ["of no namespace by its name", { serviceAccount: "web@p.iam.gserviceaccount.com" }, undefined],
  ["not serving", { problem: "the image is gone" }, /web in us-central1 does not serve: the image is gone/],
];
for (const [name, service, expected] of WARNINGS) {
  Deno.test(`warnings: ${name}`, () => {
    const [first, ...more] = runWarnings({ ...WEB, ...service }, NAME, "shop");
    assert.deepEqual(more, []);
    if (expected) assert.match(first!, expected);
    else assert.equal(first, undefined);
  });
}
