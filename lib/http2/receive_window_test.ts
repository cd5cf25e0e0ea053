import assert from "node:assert/strict";
import { FIRST_WINDOW_BYTES, ReceiveWindow } from "./receive_window.ts";

Deno.test("ReceiveWindow: nothing is given back before half was taken, and no more than the window is accepted", () => {
  const window = new ReceiveWindow();
  assert.equal(window.received(FIRST_WINDOW_BYTES), true);
  assert.equal(window.taken(1_000), 0);
  assert.equal(window.received(1), false);
});

Deno.test("ReceiveWindow: grows to 512 KiB while it is read, and never beyond", () => {
  const window = new ReceiveWindow();
  let open = FIRST_WINDOW_BYTES;
  for (let round = 0; round < 100; round++) {
    assert.equal(window.received(open), true);
    const increment = window.taken(open);
    assert.ok(increment >= open);
    open = increment;
    assert.ok(open <= 524_288);
  }
  assert.equal(open, 524_288);
});
