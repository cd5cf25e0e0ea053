import { reasonOf, UsageError } from "../lib/base/errors.ts";
import type { Fetch } from "../lib/base/http.ts";

export interface AskOptions {
  print: (text: string) => void;
  /** File for the last word, which Kubernetes shows in the pod's status. */
  terminationLog?: string | undefined;
  /** @default {60000} */
  limitMs?: number;
  /** Between two tries. @default {1000} */
  waitMs?: number;
  fetch?: Fetch;
}

/**
 * `hgate ask URL`: asks until there is an answer below 500, a sidecar takes its time to know a new service.
 * @returns the exit code: 0 with an answer, 1 with none
 */
export async function hgateAsk(url: string | undefined, options: AskOptions): Promise<number> {
  const { limitMs = 60_000, waitMs = 1_000, print, terminationLog } = options;
  if (!url || !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new UsageError({
      tried: "read the URL to ask",
      got: JSON.stringify(url),
      fix: "hgate ask http://web.shop:8080/",
    });
  }
  const until = performance.now() + limitMs;
  for (;;) {
    const { isAnswer, text } = await ask(url, options);
    if (!isAnswer && performance.now() + waitMs < until) {
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      continue;
    }
    print(`${text}\n`);
    if (terminationLog) await Deno.writeTextFile(terminationLog, text);
    return isAnswer ? 0 : 1;
  }
}

const TRY_MS = 10_000;
const LONGEST = 200;

async function ask(
  url: string,
  { fetch: send = fetch as Fetch }: AskOptions,
): Promise<{ isAnswer: boolean; text: string }> {
  const started = performance.now();
  try {
    const answer = await send(url, { redirect: "manual", signal: AbortSignal.timeout(TRY_MS) });
    const body = (await answer.text()).replace(/\s+/g, " ").trim().slice(0, LONGEST);
    const isAnswer = answer.status < 500;
    const ms = Math.round(performance.now() - started);
    return { isAnswer, text: isAnswer ? `${answer.status} in ${ms} ms` : `${answer.status} ${body}`.trim() };
  } catch (error) {
    return { isAnswer: false, text: reasonOf(error) };
  }
}
