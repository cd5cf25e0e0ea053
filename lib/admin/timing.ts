/** How a command waits, and whom it tells. */
export interface Timing {
  /** Ends everything. */
  signal: AbortSignal;
  /** For each thing that is waited for. */
  timeoutMs: number;
  /** Between two looks at what is waited for. @default for each thing what is fit for it, from half a second to two */
  everyMs?: number | undefined;
  /** Told what is waited for. */
  progress: (text: string) => void;
}
