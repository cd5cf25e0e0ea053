/** A real Envoy behind our rules, for both families: an app that knows no proxy reaches a host outside by it. Needs root, iptables and ENVOY_BIN. */
import assert from "node:assert/strict";
import { endProcess } from "../../lib/base/child.ts";
import { inDirectory } from "../temporary_directory.ts";
import { capture, inNamespace } from "./capture_in_namespace.ts";
import { must, Namespace } from "./capture_namespaces.ts";

const envoy = Deno.env.get("ENVOY_BIN");
const OUTSIDE = ["198.18.0.1", "[fd00:9::1]"];

/** As Istio's: what was redirected goes on to where it wanted to go. */
const CONFIG = {
  admin: { address: { socket_address: { address: "127.0.0.1", port_value: 15_000 } } },
  static_resources: {
    listeners: ["0.0.0.0", "::"].map((address) => ({
      name: address,
      address: { socket_address: { address, port_value: 15_001 } },
      listener_filters: [{
        name: "original_dst",
        typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst" },
      }],
      filter_chains: [{
        filters: [{
          name: "tcp_proxy",
          typed_config: {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            stat_prefix: "outside",
            cluster: "outside",
          },
        }],
      }],
    })),
    clusters: [{ name: "outside", type: "ORIGINAL_DST", lb_policy: "CLUSTER_PROVIDED", connect_timeout: "2s" }],
  },
};

const title = "a real Envoy takes IPv4 and IPv6 from the rules to where the app wanted to go";
if (envoy) inNamespace(title, (app) => toTheOutside(app, envoy));
else Deno.test({ name: `capture: ${title} (needs ENVOY_BIN)`, ignore: true, fn: () => {} });

async function toTheOutside(app: Namespace, envoy: string): Promise<void> {
  await using outside = await Namespace.make();
  await must("ip", [
    "-n",
    app.name,
    "link",
    "add",
    "eth0",
    "type",
    "veth",
    "peer",
    "name",
    "eth0",
    "netns",
    outside.name,
  ]);
  for (const [namespace, host] of [[app, 2], [outside, 1]] as const) {
    await namespace.must("ip", "address", "add", `198.18.0.${host}/24`, "dev", "eth0");
    await namespace.must("ip", "address", "add", `fd00:9::${host}/64`, "dev", "eth0", "nodad");
    await namespace.must("ip", "link", "set", "eth0", "up");
  }
  await inDirectory(async (directory) => {
    await Deno.chmod(directory, 0o755);
    await Deno.writeTextFile(`${directory}/envoy.json`, JSON.stringify(CONFIG));
    const proxyUser = ["setpriv", "--reuid=1337", "--regid=1337", "--clear-groups"];
    const options = ["--disable-hot-restart", "--concurrency", "1", "-l", "error", "-c", `${directory}/envoy.json`];
    await using _envoy = start(app, ...proxyUser, envoy, ...options);
    const answer = 'Deno.serve({ hostname: "::", port: 80 }, () => new Response("outside"))';
    await using _server = start(outside, Deno.execPath(), "eval", answer);
    const text = async (url: string) => (await app.run("curl", ["-gsS", "-m", "5", url]))?.stdout;
    const until = performance.now() + 10_000;
    for (const url of ["http://127.0.0.1:15000/ready", ...OUTSIDE.map((host) => `http://${host}/`)]) {
      while (!await text(url)) assert.ok(performance.now() < until, `no answer from ${url}`);
    }
    const connections = async () =>
      Number(/: (\d+)/.exec(await text("http://127.0.0.1:15000/stats?filter=outside.upstream_cx_total") ?? "")?.[1]);

    assert.equal(await connections(), 0, "without rules nothing comes to Envoy");
    {
      await using rules = await capture(app.run, { KRUN_CAPTURE_IPV6: "on", OUTBOUND_IP_RANGES_INCLUDE: "*" });
      assert.ok(rules.use === "iptables" && rules.ipv6);
      for (const [at, host] of OUTSIDE.entries()) {
        assert.equal(await text(`http://${host}/`), "outside");
        assert.equal(await connections(), at + 1, `${host} by Envoy`);
      }
    }
    for (const host of OUTSIDE) assert.equal(await text(`http://${host}/`), "outside");
    assert.equal(await connections(), OUTSIDE.length, "nothing comes to Envoy when the rules are gone");
  });
}

function start(namespace: Namespace, ...command: string[]): AsyncDisposable {
  const child = new Deno.Command("ip", {
    args: ["netns", "exec", namespace.name, ...command],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  return { [Symbol.asyncDispose]: async () => void await endProcess(child, 3_000) };
}
