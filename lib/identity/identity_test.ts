import { inDirectory } from "../../tests/temporary_directory.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { createAuthority } from "../../tests/emulators/certificates.ts";
import { setUpLogging } from "../base/log.ts";
import { Secret } from "../base/secret.ts";
import type { KubeClient, ServiceAccountToken } from "../kube/mod.ts";
import { controlPlaneOf } from "../mesh/mod.ts";
import { environmentLayers, resolve } from "../settings/mod.ts";
import { keepToken } from "./keep_token.ts";
import { podLabels, serializeLabels } from "./labels.ts";
import { keepIdentity, pathsBelow } from "./mod.ts";
import { backOffMs, renewAfterMs } from "../base/renewal.ts";
import { checkRoots } from "./roots.ts";

const root = Deno.uid() === 0;
const MINUTE = 60_000;

/** A clock that stands until it is told to go on. */
class VirtualTime {
  now = 0;
  planned: { at: number; run: () => void } | undefined;
  readonly after = (ms: number, run: () => void) => {
    const mine = this.planned = { at: this.now + ms, run };
    return () => this.planned = this.planned === mine ? undefined : this.planned;
  };

  /** Goes on to what is planned next, and waits until it has planned again. @returns the time it had waited */
  async next(): Promise<number> {
    const { at, run } = this.planned!;
    const waited = at - this.now;
    this.now = at;
    this.planned = undefined;
    run();
    while (!this.planned) await new Promise((resolve) => setTimeout(resolve, 1));
    return waited;
  }
}

async function logOf(work: () => Promise<void>): Promise<{ severity: string; message: string }[]> {
  const lines: string[] = [];
  await setUpLogging({ level: "debug", format: "json", write: (line) => lines.push(line) });
  try {
    await work();
  } finally {
    await setUpLogging({ level: "error", format: "text", write: () => {} });
  }
  return lines.map((line) => JSON.parse(line));
}

Deno.test("token: renewed at two thirds of its real life, kept while renewing fails, retried with back-off, loudly once it has ended", () =>
  inDirectory(async (directory) => {
    const time = new VirtualTime();
    const path = `${directory}/deep/istio-token`;
    const failing = new Set<number>();
    let issued = 0;
    const issue = (): Promise<ServiceAccountToken> => {
      issued++;
      if (failing.has(issued)) return Promise.reject(new Error("the API server is away"));
      const value = new Secret(`token-number-${issued}`);
      return Promise.resolve({ value, audience: "a", issuedAt: time.now, expiresAt: time.now + 30 * MINUTE });
    };
    for (let at = 3; at <= 14; at++) failing.add(at);
    const lines = await logOf(async () => {
      await using token = await keepToken({ path, issue, now: () => time.now, random: () => 0, after: time.after });
      assert.equal(await Deno.readTextFile(path), "token-number-1");
      assert.equal(await time.next(), 20 * MINUTE);
      assert.equal(await Deno.readTextFile(path), "token-number-2");
      assert.equal(token.expiresAt(), 50 * MINUTE);
      assert.equal(await time.next(), 20 * MINUTE); // fails
      const waits: number[] = [];
      while (issued < 15) waits.push(await time.next());
      // With `random` at 0: half of 1, 2, 4, … 60 s.
      assert.deepEqual(waits.slice(0, 8), [500, 1_000, 2_000, 4_000, 7_500, 7_500, 7_500, 7_500]);
      assert.equal(await Deno.readTextFile(path), "token-number-15");
      assert.equal(await time.next(), 20 * MINUTE);
    });
    const said = lines.map(({ severity, message }) => `${severity} ${message}`);
    assert.equal(said[0], "INFO token renewed");
    assert.equal(
      said[1],
      "WARNING token for a not renewed (the old one is good for 600 s more), next try in 500 ms: the API server is away",
    );
    assert(!JSON.stringify(lines).includes("token-number"));
  }));

Deno.test("token: renewed sooner where that is asked for, never later", () =>
  inDirectory(async (directory) => {
    for (const [asked, expected] of [[MINUTE, MINUTE], [25 * MINUTE, 20 * MINUTE]] as const) {
      const time = new VirtualTime();
      const issue = () => {
        const life = { issuedAt: time.now, expiresAt: time.now + 30 * MINUTE };
        return Promise.resolve({ value: new Secret("a-token"), audience: "a", ...life });
      };
      await logOf(async () => {
        const options = { path: `${directory}/t`, issue, now: () => time.now, random: () => 0, after: time.after };
        await using _ = await keepToken({ ...options, renewAfterMs: asked });
        assert.equal(await time.next(), expected);
        assert.equal(await time.next(), expected);
      });
    }
  }));

Deno.test("token: an ended one is an error in the log", () =>
  inDirectory(async (directory) => {
    const time = new VirtualTime();
    let issued = 0;
    const issue = (): Promise<ServiceAccountToken> =>
      issued++ === 0
        ? Promise.resolve({ value: new Secret("first-token"), audience: "a", issuedAt: 0, expiresAt: 1_000 })
        : Promise.reject(new Error("away"));
    const lines = await logOf(async () => {
      await using _ = await keepToken({
        path: `${directory}/t`,
        issue,
        now: () => time.now,
        random: () => 1,
        after: time.after,
      });
      await time.next();
      assert.equal(await Deno.readTextFile(`${directory}/t`), "first-token");
    });
    assert.deepEqual(lines.map(({ severity, message }) => `${severity} ${message}`), [
      "ERROR token for a not renewed (the old one has ended), next try in 1000 ms: away",
    ]);
  }));

Deno.test("token: one that cannot be written leaves the old one whole, and is asked for again", () =>
  inDirectory(async (directory) => {
    const time = new VirtualTime();
    const path = `${directory}/tokens/istio-token`;
    let issued = 0;
    const issue = (): Promise<ServiceAccountToken> => {
      const value = new Secret(`token-number-${++issued}`);
      return Promise.resolve({ value, audience: "a", issuedAt: time.now, expiresAt: time.now + 30 * MINUTE });
    };
    const lines = await logOf(async () => {
      await using token = await keepToken({ path, issue, now: () => time.now, random: () => 0, after: time.after });
      // A full disk as root sees none: the way to the file is blocked.
      await Deno.rename(`${directory}/tokens`, `${directory}/aside`);
      await Deno.writeTextFile(`${directory}/tokens`, "a file");
      await time.next();
      assert.equal(await Deno.readTextFile(`${directory}/aside/istio-token`), "token-number-1");
      assert.equal(token.expiresAt(), 30 * MINUTE, "what is in the file counts");
      await Deno.remove(`${directory}/tokens`);
      await Deno.rename(`${directory}/aside`, `${directory}/tokens`);
      assert.equal(await time.next(), 500);
      assert.equal(await Deno.readTextFile(path), "token-number-3");
      const left = [...Deno.readDirSync(`${directory}/tokens`)].map(({ name }) => name);
      assert.deepEqual(left, ["istio-token"], "no temporary file");
    });
    assert.match(
      lines[0]!.message,
      /^token for a not renewed \(the old one is good for 600 s more\), next try in 500 ms: write \S+istio-token: Not a directory$/,
    );
    assert.deepEqual(lines.map(({ severity }) => severity), ["WARNING", "INFO"]);
  }));

Deno.test("token: disposing ends a renewal that is on its way", () =>
  inDirectory(async (directory) => {
    const time = new VirtualTime();
    let issued = 0;
    const issue = (signal?: AbortSignal): Promise<ServiceAccountToken> =>
      issued++ === 0
        ? Promise.resolve({ value: new Secret("first-token"), audience: "a", issuedAt: 0, expiresAt: MINUTE })
        : new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
    const lines = await logOf(async () => {
      const token = await keepToken({ path: `${directory}/t`, issue, after: time.after });
      time.planned!.run();
      await token[Symbol.asyncDispose]();
    });
    assert.deepEqual(lines, []);
  }));

Deno.test({
  name: "token: mode 600, of Envoy's user",
  ignore: !root, // only root can give files away
  fn: () =>
    inDirectory(async (directory) => {
      const path = `${directory}/a/token`;
      const life = { issuedAt: Date.now(), expiresAt: Date.now() + MINUTE };
      await using _ = await keepToken({
        path,
        issue: () => Promise.resolve({ value: new Secret("first-token"), audience: "a", ...life }),
      });
      const { uid, gid, mode } = await Deno.stat(path);
      assert.deepEqual([uid, gid, mode! & 0o777], [1337, 1337, 0o600]);
    }),
});

Deno.test("renewal: between 60% and two thirds of any life, a second at least", () => {
  fc.assert(fc.property(fc.nat(1e9), fc.double({ min: 0, max: 1, noNaN: true }), (life, random) => {
    const waitMs = renewAfterMs({ issuedAt: 1_000, expiresAt: 1_000 + life }, () => random);
    assert(waitMs >= Math.max(1_000, life * 0.6 - 1) && waitMs <= Math.max(1_000, life * 2 / 3 + 1));
  }));
  assert.equal(renewAfterMs({ issuedAt: 5, expiresAt: 0 }), 1_000);
});

Deno.test("back-off: doubled from a second to a minute, at least half of it", () => {
  assert.deepEqual([1, 2, 3, 7, 50].map((failures) => backOffMs(failures, { random: () => 1 })), [
    1_000,
    2_000,
    4_000,
    60_000,
    60_000,
  ]);
  assert.equal(backOffMs(1, { random: () => 0 }), 500);
});

const settings = resolve(environmentLayers({ IMCON_ADDR: "10.0.0.1", WORKLOAD_NAMESPACE: "ns", WORKLOAD_NAME: "app" }));
const fakeKube = (asked: unknown[] = []) =>
  ({
    serviceAccountToken: (...all: unknown[]) => {
      asked.push(all.slice(0, 3));
      const life = { issuedAt: Date.now(), expiresAt: Date.now() + MINUTE };
      return Promise.resolve({ value: new Secret("first-token"), audience: "istio-ca", ...life });
    },
  }) as unknown as KubeClient;

Deno.test("identity: everything that pilot-agent reads, where it reads it", () =>
  inDirectory(async (directory) => {
    const asked: unknown[] = [];
    const paths = pathsBelow(directory);
    const pem = createAuthority("root").certificatePem;
    const controlPlane = controlPlaneOf(settings);
    await using _ = await keepIdentity({ settings, controlPlane, roots: pem, kube: fakeKube(asked), paths });
    assert.deepEqual(asked, [[{ namespace: "ns", name: "default" }, "istio-ca", 43_200]]);
    assert.equal(await Deno.readTextFile(`${directory}/var/run/secrets/tokens/istio-token`), "first-token");
    assert.equal(await Deno.readTextFile(`${directory}/var/run/secrets/istio/root-cert.pem`), pem);
    assert.match(await Deno.readTextFile(`${directory}/etc/istio/pod/labels`), /^app="app"\n/);
    assert.equal(await Deno.readTextFile(`${directory}/etc/istio/pod/annotations`), "");
    const secrets = ["istio.io", "workload-spiffe-credentials", "workload-spiffe-uds"];
    for (const path of ["etc/istio/proxy", ...secrets.map((name) => `var/run/secrets/${name}`)]) {
      const { isDirectory, mode, uid } = await Deno.stat(`${directory}/${path}`);
      assert.deepEqual([isDirectory, mode! & 0o777, uid], [true, 0o755, root ? 1337 : Deno.uid()], path);
    }
  }));

Deno.test("identity: another mesh's roots and audience are taken as they come, and what fails leaves the old", () =>
  inDirectory(async (directory) => {
    const asked: unknown[] = [];
    const kube = fakeKube(asked);
    const [first, second] = [createAuthority("first").certificatePem, createAuthority("second").certificatePem];
    const controlPlane = controlPlaneOf(settings);
    await using identity = await keepIdentity({
      settings,
      controlPlane,
      roots: first,
      kube,
      paths: pathsBelow(directory),
    });
    const root = () => Deno.readTextFile(`${directory}/var/run/secrets/istio/root-cert.pem`);
    await identity.change({ controlPlane, roots: first + second });
    assert.equal(await root(), first + second);
    await assert.rejects(identity.change({ controlPlane, roots: "none" }), /without a PEM certificate/);
    assert.equal(await root(), first + second);
    assert.equal(asked.length, 1, "the same audience needs no other token");
    const other = { controlPlane: { ...controlPlane, audience: "other" }, roots: second };
    const issue = kube.serviceAccountToken;
    kube.serviceAccountToken = () => Promise.reject(new Error("away"));
    await assert.rejects(identity.change(other), { message: "away" });
    kube.serviceAccountToken = issue;
    await identity.change(other);
    assert.deepEqual(asked.at(-1), [{ namespace: "ns", name: "default" }, "other", 43_200]);
    assert.equal(asked.length, 2);
  }));

Deno.test("identity: a place that cannot be written is a Problem, and no timer stays behind", () =>
  inDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/etc`, "a file where a directory is wanted");
    const paths = pathsBelow(directory);
    const failed = keepIdentity({
      settings,
      controlPlane: controlPlaneOf(settings),
      roots: "",
      kube: fakeKube(),
      paths,
    });
    await assert.rejects(failed, {
      name: "Problem",
      message: `make directory ${directory}/etc/istio/proxy\n  got: Not a directory\n` +
        `  do: make ${directory}/etc/istio/proxy writable for user ${Deno.uid()}, or set MESH_BASE_DIR to a directory that is`,
    });
  }));

Deno.test("roots: each certificate is looked at; ended ones, and what is none, are Problems", () => {
  const live = createAuthority("one");
  const pem = live.certificatePem + createAuthority("two").certificatePem;
  assert.deepEqual(checkRoots(pem).map(({ subject }) => subject), ["CN=one", "CN=two"]);
  const fix = "\n  do: renew CAROOT_ISTIOD in mesh-env from config map istio-ca-root-cert";
  const tried = "read the mesh's root certificates (CAROOT_*)\n  got: ";
  assert.throws(() => checkRoots("x"), { message: `${tried}a value without a PEM certificate${fix}` });
  const ended = live.issue({ commonName: "old", lifetimeSeconds: -10 }).certificatePem;
  assert.throws(() => checkRoots(ended), /got: CN=old ended 20.*Z\n {2}do: renew CAROOT_ISTIOD/);
  assert.equal(checkRoots(ended + live.certificatePem).length, 2);
  const broken = "-----BEGIN CERTIFICATE-----\nMIIx\n-----END CERTIFICATE-----";
  assert.throws(
    () => checkRoots(broken),
    /^Problem: read the mesh's root certificates.*\n {2}got: a certificate that cannot be read: /,
  );
});

Deno.test("labels: what selectors match, one quoted value a line", () => {
  const labels = podLabels(
    resolve(environmentLayers({ WORKLOAD_NAME: "app", REGION: "us-central1", K_REVISION: "app-1" })),
  );
  assert.equal(
    serializeLabels(labels),
    'app="app"\nistio-locality="us-central1"\nsecurity.istio.io/tlsMode="istio"\n' +
      'service.istio.io/canonical-name="app"\nservice.istio.io/canonical-revision="app-1"\n',
  );
});

Deno.test("labels: any values come back, one line each", () => {
  const key = fc.stringMatching(/^[a-z./-]+$/);
  fc.assert(fc.property(fc.dictionary(key, fc.string({ unit: "grapheme" })), (labels) => {
    const lines = serializeLabels(labels).split("\n").slice(0, -1);
    const back = lines.map((line) => [line.slice(0, line.indexOf("=")), JSON.parse(line.slice(line.indexOf("=") + 1))]);
    assert.deepEqual(Object.fromEntries(back), { ...labels });
  }));
});
