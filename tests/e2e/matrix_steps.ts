import assert from "node:assert/strict";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

const JOINS = "in the mesh after";
const WHITEBOX = "whitebox, by the app's proxy variables: ";

/** A container as people run it, and what krun says in it; without a line of its own it joins. */
interface Row {
  name: string;
  options: readonly string[];
  /** Words that start krun in turn. */
  within?: readonly string[];
  env?: Record<string, string>;
  /** @default {JOINS} */
  says?: string;
  /** How the app's traffic is captured, where it matters. */
  capture?: "iptables" | "whitebox";
}

const NET_ADMIN = ["--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"];
/** Taken away inside: the words that start a container may have given it. */
const WITHOUT_NET_ADMIN = ["setpriv", "--bounding-set=-net_admin,-net_raw", "--inh-caps=-net_admin,-net_raw"];
const asUser = (uid: number) => ["--user", `${uid}:${uid}`, "-w", "/tmp"];

/** Each joins, or says exactly what is missing. */
const MATRIX: readonly Row[] = [
  { name: "root with NET_ADMIN", options: NET_ADMIN, capture: "iptables" },
  { name: "root without NET_ADMIN", options: [], within: WITHOUT_NET_ADMIN, capture: "whitebox" },
  { name: "root without capabilities", options: ["--cap-drop", "all"], capture: "whitebox" },
  { name: "any user with NET_ADMIN", options: [...asUser(12345), ...NET_ADMIN], capture: "whitebox" },
  { name: "any user", options: asUser(12345), capture: "whitebox" },
  { name: "any user without capabilities", options: [...asUser(12345), "--cap-drop", "all"], capture: "whitebox" },
  { name: "the proxy's user with NET_ADMIN", options: [...asUser(1337), ...NET_ADMIN], capture: "whitebox" },
  { name: "the proxy's user", options: asUser(1337), capture: "whitebox" },
  {
    name: "no new privileges, root",
    options: ["--security-opt", "no-new-privileges", ...NET_ADMIN],
    capture: "iptables",
  },
  { name: "no new privileges, any user", options: ["--security-opt", "no-new-privileges", ...asUser(12345)] },
  {
    name: "all of it: a read-only root, any user, no capabilities, no new privileges",
    options: ["--read-only", "--tmpfs", "/mesh:mode=777", "--user", "12345:12345", "--cap-drop", "all"]
      .concat("--security-opt", "no-new-privileges"),
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
      const environment = await krun.environmentOf("fortio");
      const { stdout, stderr } = await krun.exec(["curl", "-sS", "-m", "10", "http://echo:8080/debug"], environment);
      assert.match(stdout, /URI=spiffe:\/\/cluster\.local\/ns\/krun-e2e\/sa\/default/i, stderr + krun.log());
      // gVisor has no rules of iptables for whoever asks
      if (capture === "iptables" && !krun.log().includes(WHITEBOX)) {
        assert.match(krun.log(), /the app's traffic is captured by iptables/);
      } else if (capture) {
        assert.match(krun.log(), /whitebox, by the app's proxy variables: iptables cannot be used: \S/);
      }
    });
  }
}
