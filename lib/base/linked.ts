/**
 * A controller that ends when the first of `signals` does; disposing takes it off them.
 *
 * In place of AbortSignal.any where the wait is long: in Deno 2.6 a signal made by that may be collected as garbage, with its
 * listeners, while its sources live, and the abort never comes.
 */
export function linked(...signals: (AbortSignal | undefined)[]): AbortController & Disposable {
  const controller = new AbortController();
  const off: (() => void)[] = [];
  for (const signal of signals) {
    if (!signal) continue;
    if (signal.aborted) controller.abort(signal.reason);
    const stop = () => controller.abort(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    off.push(() => signal.removeEventListener("abort", stop));
  }
  return Object.assign(controller, { [Symbol.dispose]: () => off.forEach((undo) => undo()) });
}
