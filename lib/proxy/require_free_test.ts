import assert from "node:assert/strict";
import { requireFree } from "./require_free.ts";

Deno.test("ports of the proxy: one that is taken is named, those that were free stay so", () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  free.close();
  assert.throws(() => requireFree("pilot-agent", [free.addr.port, port]), {
    name: "Problem",
    message: new RegExp(`^start pilot-agent\\n  got: its port ${port} is taken`),
  });
  listener.close();
  requireFree("pilot-agent", [port, port]);
});
