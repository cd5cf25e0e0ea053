import yoctoSpinner from "yocto-spinner";
import { UsageError } from "../lib/base/errors.ts";
import { redact } from "../lib/base/secret.ts";
import { planText, stepText, type Witness } from "../lib/admin/mod.ts";

export interface WitnessOptions {
  /** The plan goes to standard output for people; with json or yaml that has the outcome alone. */
  isForPeople: boolean;
  /** `--yes` */
  isAgreed: boolean;
  print: (text: string) => void;
  /** Whether there is somebody who can be asked and sees a spinner. @default {Deno.stdin.isTerminal() && Deno.stderr.isTerminal()} */
  isTerminal?: boolean;
  /** Where each may have colours. @default none */
  colour?: { stdout: boolean; stderr: boolean };
  /** Takes an answer; `undefined` for none. */
  ask: (question: string) => Promise<string | undefined>;
  /** A line of progress where there is no terminal, and of a step that has ended. @default to standard error */
  say?: (line: string) => void;
}

export interface TerminalWitness extends Witness {
  /** What is waited for. */
  progress(text: string): void;
  /** What is done for a moment: of interest only for as long as it lasts. */
  moment(text: string): void;
  /** Nothing is waited for any more. */
  end(): void;
  /** A line beside the plan and its outcome. */
  say(line: string): void;
}

/** Progress on standard error: a spinner on a terminal; elsewhere a plain line a step, and one for each new thing that is waited for. */
export function terminalWitness(options: WitnessOptions): TerminalWitness {
  const { isForPeople, isAgreed, print, ask, say = sayOnStderr } = options;
  const { isTerminal = Deno.stdin.isTerminal() && Deno.stderr.isTerminal(), colour } = options;
  let spinner: ReturnType<typeof yoctoSpinner> | undefined;
  let said: string | undefined;
  const show = (text: string) => {
    if (!isTerminal) {
      if (text !== said) say(text); // it is told each time that it is looked at again
      said = text;
      return;
    }
    // Signals are the command's: it says what was done and what was not.
    spinner ??= yoctoSpinner({ text: "", handleSignals: false }).start();
    spinner.text = redact(text);
  };
  const end = () => {
    spinner?.stop();
    spinner = undefined;
  };
  return {
    end,
    say,
    progress: show,
    moment(text) {
      if (isTerminal) show(text);
    },
    planned(outcome) {
      end();
      if (isForPeople) print(planText(outcome, colour?.stdout));
    },
    async confirm(changes) {
      end();
      if (isAgreed) return true;
      if (!isTerminal || !isForPeople) {
        throw new UsageError({
          tried: changes === 1 ? "make a change" : `make ${changes} changes`,
          got: isForPeople
            ? "nobody to ask: standard input is no terminal"
            : "nobody to ask: --output is for a program, which reads the outcome alone",
          fix: "--yes to make them, --dry-run to see them",
        });
      }
      const answer = await ask(`Make ${changes === 1 ? "this change" : `these ${changes} changes`}? [y/N]`);
      return /^y(es)?$/i.test(answer?.trim() ?? "");
    },
    begin(subject) {
      if (isTerminal) show(subject);
      return {
        progress: (text) => show(`${subject}: ${text}`),
        end(outcome) {
          end();
          say(stepText(outcome, colour?.stderr));
        },
      };
    },
  };
}

function sayOnStderr(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${redact(text)}\n`));
}
