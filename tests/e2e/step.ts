/** A named part of a test, counted by itself. @returns whether it passed */
export type Step = (name: string, run: () => Promise<void>) => Promise<boolean>;
