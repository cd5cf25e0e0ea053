import { deepEqual, equal } from "node:assert/strict";
import { whiteboxBootstrap } from "./bootstrap.ts";
import { parseForwards } from "./forward.ts";

const names = (part: Record<string, unknown>[]) => part.map(({ name }) => name);

Deno.test("binds the proxy's port and those of the forwards, and nothing else", () => {
  const options = { directory: "/run/whitebox", forwards: parseForwards("5432=db:5432") };
  const { listeners, clusters } = whiteboxBootstrap(options).static_resources;
  deepEqual(names(listeners), ["krun_http_proxy", "krun_tunnel", "krun_forward_5432"]);
  deepEqual(names(clusters), ["krun_outside", "krun_tunnel", "krun_forward_5432"]);
  const at = (address: string, port_value: number) => ({ socket_address: { address, port_value } });
  deepEqual(listeners.map(({ address }) => address), [at("127.0.0.1", 15007), undefined, at("127.0.0.1", 5432)]);
  equal(JSON.stringify(listeners).includes("additional_addresses"), false);
  const both = whiteboxBootstrap({ ...options, ipv6: true, port: 15107 }).static_resources.listeners;
  deepEqual(both.map((listener) => listener["additional_addresses"]), [
    [{ address: at("::1", 15107) }],
    undefined,
    [{ address: at("::1", 5432) }],
  ]);
});

Deno.test("takes its own headers off first, and again before anything leaves", () => {
  const { listeners } = whiteboxBootstrap({ directory: "/run/whitebox" }).static_resources;
  for (const { filter_chains } of listeners as { filter_chains: { filters: { typed_config: unknown }[] }[] }[]) {
    const manager = filter_chains[0]!.filters[0]!.typed_config as { http_filters: { name: string }[] };
    const order = names(manager.http_filters);
    equal(order[0], "krun_clear");
    equal(order.indexOf("krun_strip") > order.indexOf("envoy.filters.http.fault"), true);
    equal(order.at(-1), "envoy.filters.http.router");
    for (const name of ["krun_clear", "krun_strip"]) {
      const text = JSON.stringify(manager.http_filters.find((filter) => filter.name === name));
      for (const header of ["scope", "cluster", "tunnel"]) equal(text.includes(`{"remove":"x-krun-${header}"}`), true);
    }
  }
});

Deno.test("uses Istio's ALPN filter only where it exists", () => {
  const has = (istioAlpn: boolean) =>
    JSON.stringify(whiteboxBootstrap({ directory: "/run/whitebox", istioAlpn })).includes("istio.alpn");
  deepEqual([has(false), has(true)], [false, true]);
});
