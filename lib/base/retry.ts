import pRetry from "p-retry";

/** How often and how patiently something is tried again. */
export interface RetryOptions {
  /** Tries in all. @default {4} */
  tries?: number | undefined;
  /** Wait before the second try; doubled (and spread by up to 2) for each further one. @default {100} */
  firstWaitMs?: number | undefined;
  /** Longest wait between two tries. @default {2000} */
  longestWaitMs?: number | undefined;
  /** Ends the waiting and the trying. */
  signal?: AbortSignal | undefined;
  /** Whether this error may go away by itself. @default {always} */
  worthIt?: ((error: Error) => boolean) | undefined;
  /** Told before each wait. */
  onRetry?: ((error: Error, waitMs: number) => void) | undefined;
}

/** Runs `work` until it succeeds, the tries are used up or the error is not worth another try; throws the last error. */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const { tries = 4, firstWaitMs = 100, longestWaitMs = 2_000 } = options;
  if (tries <= 1) return await work(1);
  return await pRetry(work, {
    retries: tries - 1,
    minTimeout: firstWaitMs,
    maxTimeout: longestWaitMs,
    factor: 2,
    randomize: true,
    ...(options.signal ? { signal: options.signal } : {}),
    shouldRetry: ({ error }) => options.worthIt?.(error) ?? true,
    onFailedAttempt: ({ error, retriesLeft, retryDelay }) => {
      if (retriesLeft > 0 && (options.worthIt?.(error) ?? true)) options.onRetry?.(error, retryDelay);
    },
  });
}
