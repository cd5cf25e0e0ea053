/** How much of what holds for the administrator's commands is proved. */

/** Everything, as before a submission; every day a part that takes seconds. */
export const PROVES_ALL = Deno.env.get("ADMIN_PROOFS") === "all";

/** The real gcloud is somewhere in PATH. */
export const hasGcloud = (Deno.env.get("PATH") ?? "").split(":").some((directory) => {
  try {
    return Deno.statSync(`${directory || "."}/gcloud`).isFile;
  } catch {
    return false;
  }
});
