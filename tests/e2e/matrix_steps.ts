import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

const JOINS = "in the mesh after";

/** Containers as people run them: each joins, or says exactly what is missing. */
const MATRIX: readonly [name: string, options: readonly string[], env: Record<string, string>, said: string][] = [
  ["root without capabilities", ["--cap-drop", "all"], {}, JOINS],
  ["any user, in a directory of its own", ["--user", "12345:12345", "-w", "/tmp"], {}, JOINS],
  ["the proxy's user", ["--user", "1337:1337", "-w", "/tmp"], {}, JOINS],
  ["no new privileges", ["--security-opt", "no-new-privileges"], {}, JOINS],
  ["a read-only root file system", ["--read-only", "--tmpfs", "/mesh"], { MESH_BASE_DIR: "/mesh" }, JOINS],
  [
    "a read-only root file system without a place to write",
    ["--read-only"],
    { MESH_BASE_DIR: "/nowhere" },
    "set MESH_BASE_DIR to a directory that is",
  ],
  ["a user without a place to write", ["--user", "12345:12345"], {}, "set MESH_BASE_DIR to a directory that is"],
];

export async function matrix(world: E2eWorld, runtime: string, step: Step): Promise<void> {
  for (const [name, options, env, said] of MATRIX) {
    await step(name, async () => {
      await using krun = world.startKrun(runtime, { options, env, command: ["/usr/local/bin/fortio", "server"] });
      await krun.said(said, 60_000);
      if (said === JOINS) await world.reached(krun, "/debug", /URI=spiffe:\/\/cluster\.local\/ns\/krun-e2e\/sa\/echo/i);
    });
  }
}
