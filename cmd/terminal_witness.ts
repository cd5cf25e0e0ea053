import yoctoSpinner from "yocto-spinner";
import { UsageError } from "../lib/base/errors.ts";
import { redact } from "../lib/base/secret.ts";
import { planText, type StepOutcome, type Witness } from "../lib/admin/mod.ts";

export interface WitnessOptions {
  /** The plan goes to standard output for people; with json or yaml that has the outcome alone. */
  isForPeople: boolean;
  /** `--yes` */
  isAgreed: boolean;
  print: (text: string) => void;
  /** @default {Deno.stdin.isTerminal() && Deno.stderr.isTerminal()} */
  isTerminal?: boolean;
  /** @default {globalThis.prompt} */
  ask?: (question: string) => string | null;
}

/** Progress on standard error: a spinner on a terminal, a plain line a step elsewhere. */
export function terminalWitness(options: WitnessOptions): Witness & { progress(text: string): void; end(): void } {
  const { isForPeople, isAgreed, print, ask = (question) => prompt(question) } = options;
  const { isTerminal = Deno.stdin.isTerminal() && Deno.stderr.isTerminal() } = options;
  let spinner: ReturnType<typeof yoctoSpinner> | undefined;
  const show = (text: string) => {
    if (!isTerminal) return say(text);
    spinner ??= yoctoSpinner({ text: "" }).start();
    spinner.text = redact(text);
  };
  const end = () => {
    spinner?.stop();
    spinner = undefined;
  };
  return {
    end,
    progress: show,
    planned(outcome) {
      end();
      if (isForPeople) print(planText(outcome));
    },
    confirm(changes) {
      end();
      if (isAgreed) return Promise.resolve(true);
      if (!isTerminal) {
        throw new UsageError({
          tried: `make ${changes} changes`,
          got: "nobody to ask: standard input is no terminal",
          fix: "--yes to make them, --dry-run to see them",
        });
      }
      const answer = ask(`Make ${changes === 1 ? "this change" : `these ${changes} changes`}? [y/N]`);
      return Promise.resolve(/^y(es)?$/i.test(answer?.trim() ?? ""));
    },
    begin(subject) {
      if (isTerminal) show(subject);
      return {
        progress: (text) => show(`${subject}: ${text}`),
        end(outcome) {
          end();
          say(endLine(outcome));
        },
      };
    },
  };
}

function endLine({ subject, state, action, detail }: StepOutcome): string {
  const words = { create: "created", update: "changed", delete: "deleted", none: "unchanged", check: "seen" } as const;
  if (state === "failed") return `✗ ${subject}`;
  return `✓ ${subject} ${detail ? `: ${detail}`.slice(1) : words[action]}`;
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${redact(text)}\n`));
}
