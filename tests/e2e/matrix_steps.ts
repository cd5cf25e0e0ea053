import assert from "node:assert/strict";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

const JOINS = "in the mesh after";

/** A container as people run it, and what krun says in it; without a line of its own it joins. */
interface Row {
  name: string;
  options: readonly string[];
  /** Words that start krun in turn. */
  within?: readonly string[];
  env?: Record<string, string>;
  /** @default {JOINS} */
  says?: string;
  /** How the app's traffic is captured, where it matters; rules where the runtime has them at all. */
  capture?: "iptables" | "whitebox";
}

/** What the words that start a container may have given is taken away inside. */
const WITHOUT_NET_ADMIN = ["setpriv", "--bounding-set=-net_admin,-net_raw", "--inh-caps=-net_admin,-net_raw"];
const WITHOUT_ANY = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
const anyUser = ["--reuid=12345", "--regid=12345", "--clear-groups"];
const NO_NEW_PRIVILEGES = ["--security-opt", "no-new-privileges"];
const asUser = (uid: number) => ["--user", `${uid}:${uid}`, "-w", "/tmp"];

/** Each joins, or says exactly what is missing. */
const MATRIX: readonly Row[] = [
  { name: "root", options: [], capture: "iptables" },
  { name: "root without NET_ADMIN", options: [], within: WITHOUT_NET_ADMIN, capture: "whitebox" },
  { name: "root without any capability", options: [], within: WITHOUT_ANY, capture: "whitebox" },
  { name: "root, whose engine drops all capabilities", options: ["--cap-drop", "all"], capture: "whitebox" },
  { name: "any user", options: asUser(12345), capture: "whitebox" },
  {
    name: "any user without NET_ADMIN",
    options: ["-w", "/tmp"],
    within: [...WITHOUT_NET_ADMIN, ...anyUser],
    capture: "whitebox",
  },
  {
    name: "any user without any capability",
    options: ["-w", "/tmp"],
    within: [...WITHOUT_ANY, ...anyUser],
    capture: "whitebox",
  },
  { name: "the proxy's user", options: asUser(1337), capture: "whitebox" },
  { name: "no new privileges, root", options: NO_NEW_PRIVILEGES, capture: "iptables" },
  { name: "no new privileges, any user", options: [...NO_NEW_PRIVILEGES, ...asUser(12345)], capture: "whitebox" },
  {
    name: "all of it: a read-only root, any user, no capabilities, no new privileges",
    options: [
      "--read-only",
      "--tmpfs",
      "/mesh:mode=777",
      "--user",
      "12345:12345",
      "--cap-drop",
      "all",
      ...NO_NEW_PRIVILEGES,
    ],
    env: { MESH_BASE_DIR: "/mesh" },
    capture: "whitebox",
  },
  {
    name: "a read-only root file system",
    options: ["--read-only", "--tmpfs", "/mesh"],
    env: { MESH_BASE_DIR: "/mesh" },
  },
  {
    name: "a read-only root file system without a place to write",
    options: ["--read-only"],
    env: { MESH_BASE_DIR: "/nowhere" },
    says: "set MESH_BASE_DIR to a directory that is",
  },
  {
    name: "a user without a place to write",
    options: ["--user", "12345:12345"],
    says: "set MESH_BASE_DIR to a directory that is",
  },
  {
    name: "capture that is required, without NET_ADMIN",
    options: [],
    within: WITHOUT_NET_ADMIN,
    env: { KRUN_CAPTURE: "required" },
    says: "run as root with NET_ADMIN and iptables in the image",
  },
];

export async function matrix(world: E2eWorld, runtime: string, step: Step): Promise<void> {
  for (const { name, options, within = [], env = {}, says = JOINS, capture } of MATRIX) {
    await step(name, async () => {
      const [entrypoint = "krun", ...before] = [...within, "krun"];
      await using krun = world.startKrun(runtime, {
        options: [...options, "--entrypoint", entrypoint],
        env,
        command: [...before, "--", "/usr/local/bin/fortio", "server"],
      });
      await krun.said(says, 60_000);
      if (says !== JOINS) return;
      await world.reached(krun, "/debug", /URI=spiffe:\/\/cluster\.local\/ns\/krun-e2e\/sa\/echo/i);
      // nobody but its own user may read the app's environment
      const proxy = krun.log().includes("whitebox, by") ? ["-x", "http://127.0.0.1:15007"] : [];
      const { stdout, stderr } = await krun.exec(["curl", "-sS", "-m", "10", ...proxy, "http://echo:8080/debug"]);
      assert.match(stdout, /URI=spiffe:\/\/cluster\.local\/ns\/krun-e2e\/sa\/default/i, stderr + krun.log());
      const rules = capture === "iptables" && world.settings.captures.includes(runtime);
      if (rules) assert.match(krun.log(), /the app's traffic is captured by iptables/);
      else if (capture) assert.match(krun.log(), /whitebox, by the app's proxy variables: iptables cannot be used: \S/);
    });
  }
}
