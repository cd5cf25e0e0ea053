/** IPv4 and IPv6 have rule sets, programs and tables of their own. */
export type Family = 4 | 6;

export const FAMILIES: readonly Family[] = [4, 6];
