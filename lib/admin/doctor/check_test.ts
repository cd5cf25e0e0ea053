import assert from "node:assert/strict";
import { type About, check, decideAll } from "./check.ts";
import { fail, pass } from "./finding.ts";
import type { Looked } from "./gather.ts";
import { SOURCES } from "./sources/all.ts";

const about: About = { place: "laptop", service: undefined, namespace: undefined, gateAccount: undefined, now: 0 };
const known = { is: "known", value: {} } as const;
const ok = () => pass("it is");

Deno.test("checks: what explains another stands for it; what may not be looked at is told once", () => {
  const looked: Looked = {
    project: known,
    roles: { is: "refused", why: "403 roles", fix: "ask for it" },
    meshEnv: { is: "refused", why: "403 mesh-env" },
    cluster: { is: "failed", why: "x: y" },
    version: { is: "blocked", why: "the cluster" },
  };
  const checks = [
    check("a.fails", "", { needs: ["project"], decide: () => fail("no") }),
    check("a.after", "", { needs: ["project"], after: ["a.fails"], decide: ok }),
    check("a.explained", "", { needs: ["project"], explainedBy: ["a.after"], decide: () => fail("neither") }),
    check("b.role", "", { needs: ["project", "roles"], decide: ok }),
    check("b.binding", "", { needs: ["roles"], decide: ok }),
    check("b.mesh-env", "", { needs: ["meshEnv"], decide: ok }),
    check("c.cluster", "", { needs: ["cluster"], owns: ["cluster"], mend: "mend it", decide: ok }),
    check("c.version", "", { needs: ["version"], decide: ok }),
    check("c.behind", "", { needs: ["version", "roles"], decide: ok }),
  ];
  const found = decideAll(checks, looked, SOURCES, about);
  assert.deepEqual(found.map(({ id, state, seen, fix }) => [id, state, seen, fix]), [
    ["a.fails", "fail", "no", undefined],
    ["a.after", "skip", "see a.fails", undefined],
    ["a.explained", "skip", "see a.fails", undefined],
    ["b.role", "skip", "this account may not look: 403 roles", "ask for it"],
    ["b.binding", "skip", "see b.role", undefined],
    ["b.mesh-env", "skip", "this account may not look: 403 mesh-env", undefined],
    ["c.cluster", "fail", "x: y", "mend it"],
    ["c.version", "skip", "needs the cluster", undefined],
    ["c.behind", "skip", "needs the cluster", undefined],
  ]);
});
