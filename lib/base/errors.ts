/** What every error of this project carries: enough to act on without reading the source. */
export interface ProblemDetails {
  /** What was being done and against what, e.g. `list GKE clusters of project p1 (GET https://…)`. */
  tried: string;
  /** What came back, e.g. `403 PERMISSION_DENIED: …`. */
  got: string;
  /** What the reader can do about it; a command where there is one. */
  fix?: string | undefined;
  cause?: unknown;
}

/** An error a user can act on: its message says what was tried, what came back and what to do. */
export class Problem extends Error {
  override name = "Problem";
  readonly tried: string;
  readonly got: string;
  readonly fix: string | undefined;

  constructor(details: ProblemDetails) {
    const fix = details.fix ? `\n  do: ${details.fix}` : "";
    super(`${details.tried}\n  got: ${details.got}${fix}`, { cause: details.cause });
    this.tried = details.tried;
    this.got = details.got;
    this.fix = details.fix;
  }
}

/** Wrong use of the command line or of a setting; the program exits with 2. */
export class UsageError extends Problem {
  override name = "UsageError";
}

/** The one-line reason of any thrown value, without its stack. */
export function reasonOf(error: unknown): string {
  if (error instanceof Problem) return `${error.tried}: ${error.got}`;
  return error instanceof Error ? error.message : String(error);
}
