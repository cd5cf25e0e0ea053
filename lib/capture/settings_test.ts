import assert from "node:assert/strict";
import { UsageError } from "../base/errors.ts";
import { parseRange } from "./address.ts";
import { dnsServers } from "./resolv_conf.ts";
import { captureSettings } from "./settings.ts";

Deno.test("address: ranges as iptables prints them", () => {
  const rows = [
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["10.1.2.3", "10.1.2.3/32"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["255.255.255.255/31", "255.255.255.254/31"],
    ["FD00:0:0::5", "fd00::5/128"],
    ["fd00:1:2:3:4:5:6:7/40", "fd00:1::/40"],
    ["::/0", "::/0"],
    ["::1", "::1/128"],
    ["64:ff9b::10.0.0.1/96", "64:ff9b::/96"],
    [" 10.0.0.0/8 ", "10.0.0.0/8"],
  ];
  for (const [text, expected] of rows) assert.equal(parseRange(text!).text, expected);
  for (
    const text of ["", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/8/8", "fe80::1%eth0", "a.b", "-d"]
  ) {
    assert.throws(() => parseRange(text), RangeError, text);
  }
  const loopback = ["127.0.0.0/8", "127.3.0.1", "::1"].map((text) => parseRange(text).loopback);
  assert.deepEqual(loopback, [true, true, true]);
  assert.equal(parseRange("10.0.0.0/8").loopback, false);
});

Deno.test("settings: defaults are the original's", () => {
  const settings = captureSettings({});
  assert.deepEqual(settings.outboundRanges, [parseRange("10.0.0.0/8")]);
  assert.deepEqual(settings.outboundPortsExcluded, ["15008", "15009"]);
  assert.deepEqual([settings.proxyUids, settings.proxyGids], [["1337"], ["1337"]]);
  assert.deepEqual([settings.inboundPorts, settings.dns, settings.ownerGroups], [[], "none", "all"]);
});

Deno.test("settings: Istio's names where the original's are not there, the proxy's group by its user, empty lists", () => {
  const settings = captureSettings({
    ISTIO_SERVICE_CIDR: "*",
    OUTBOUND_PORTS_EXCLUDE: "",
    ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE: "1",
    PROXY_UID: "7, 8,",
    ISTIO_META_DNS_CAPTURE: "true",
    ISTIO_OUTBOUND_OWNER_GROUPS: "games, 6",
    ISTIO_INBOUND_PORTS: "80,90:99",
  }, "root:x:0:\ngames:x:60:a,b\n");
  assert.equal(settings.outboundRanges, "all");
  assert.deepEqual(settings.outboundPortsExcluded, []);
  assert.deepEqual([settings.proxyUids, settings.proxyGids], [["7", "8"], ["7", "8"]]);
  assert.deepEqual([settings.dns, settings.ownerGroups], ["servers", ["60", "6"]]);
  assert.deepEqual(settings.inboundPorts, ["80", "90:99"]);
});

Deno.test("settings: what does not fit is a UsageError that names the variable", () => {
  const rows: [string, string, RegExp][] = [
    ["OUTBOUND_IP_RANGES_INCLUDE", "10.0.0.0/8,x", /"x"/],
    ["OUTBOUND_IP_RANGES_EXCLUDE", "*", /range/],
    ["OUTBOUND_PORTS_INCLUDE", "80,70000", /70000/],
    ["OUTBOUND_PORTS_EXCLUDE", "90:80", /90:80/],
    ["INBOUND_PORTS_INCLUDE", "*,80", /\*/],
    ["INBOUND_PORTS_EXCLUDE", "0", /"0"/],
    ["ISTIO_OUTBOUND_PORTS", "1:2:3", /1:2:3/],
    ["OUTBOUND_OWNER_GROUPS_INCLUDE", "nobody-here", /nobody-here/],
    ["OUTBOUND_OWNER_GROUPS_INCLUDE", Array.from({ length: 65 }, (_, at) => at).join(), /64 groups/],
    ["OUTBOUND_OWNER_GROUPS_EXCLUDE", "-1", /-1/],
    ["EXCLUDE_INTERFACES", "eth0,-j ACCEPT", /-j ACCEPT/],
    ["KUBE_VIRT_INTERFACES", "sixteencharacters", /sixteen/],
    ["PROXY_UID", "istio-proxy", /numeric/],
    ["PROXY_GID", "4294967295", /numeric/],
    ["ISTIO_META_DNS_CAPTURE", "maybe", /true or false/],
    ["KRUN_CAPTURE_IPV6", "perhaps", /on, off, auto/],
    ["KRUN_IPTABLES_BACKEND", "pf", /nft, legacy/],
    ["ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", "10.0.0.0/8", /127/],
    ["ENVOY_PORT", "1,2", /one port/],
  ];
  for (const [name, value, fix] of rows) {
    assert.throws(() => captureSettings({ [name]: value }), (error) => {
      assert(error instanceof UsageError, name);
      assert(error.tried.includes(name), error.tried);
      assert.match(error.fix ?? "", fix);
      return true;
    });
  }
});

Deno.test("resolv.conf: servers of both families once each, without zones and comments", () => {
  const servers = dnsServers(
    "# a\n; nameserver 9.9.9.9\nsearch a b\nnameserver 10.0.0.10\n nameserver\t169.254.169.254 # x\nnameserver fd00:0::a\n" +
      "nameserver 10.0.0.10\nnameserver fe80::1%eth0\nnameserver name\noptions ndots:5\n",
  );
  assert.deepEqual(servers, { 4: ["10.0.0.10/32", "169.254.169.254/32"], 6: ["fd00::a/128"] });
});
