import type { AdminContext, Plan, Timing } from "../lib/admin/mod.ts";
import type { AdminArguments, AdminUsage } from "./admin_arguments.ts";

/** What a command is made of that plans, asks and does; `cmd/admin.ts` does the rest, alike for all. */
export interface AdminCommand extends AdminUsage {
  /** What is asked for in place of a plan, as text or as a document for `--output`; `undefined` where a plan is. */
  text?(args: AdminArguments, context: AdminContext): Promise<string | object | undefined>;
  /** Reads what is there and says what to do; changes nothing. */
  plan(args: AdminArguments, context: AdminContext, timing: Timing): Promise<Plan>;
}

/** What a command is made of that only looks, and prints by itself. */
export interface LookingCommand extends AdminUsage {
  /** @returns the exit code */
  look(
    args: AdminArguments,
    context: AdminContext,
    outside: { signal: AbortSignal; print: (text: string) => void; hasColour: boolean },
  ): Promise<number>;
}
