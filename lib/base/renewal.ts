/** When to renew what ends: at two thirds of its real life, spread by up to a tenth so that instances do not come all at once. */
export function renewAfterMs(
  life: { issuedAt: number; expiresAt: number },
  random: () => number = Math.random,
): number {
  const wholeMs = Math.max(0, life.expiresAt - life.issuedAt);
  return Math.max(1_000, wholeMs * (2 / 3) * (1 - 0.1 * random()));
}

/**
 * Wait before the next try after `failures` in a row: 1 s doubled up to 15 s, half of it random. What was away is found again within
 * 15 s, and a thousand instances that wait for it ask it some hundred times a second at most.
 */
export function backOffMs(failures: number, random: () => number = Math.random, firstMs = 1_000): number {
  const fullMs = Math.min(15_000, firstMs * 2 ** Math.max(0, failures - 1));
  return fullMs / 2 + (fullMs / 2) * random();
}
