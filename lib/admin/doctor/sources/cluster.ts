import { X509Certificate } from "node:crypto";
import { Problem } from "../../../base/errors.ts";
import { parseAs } from "../../../base/json.ts";
import { discover } from "../../../cluster/mod.ts";
import { review, whoAmI } from "../access_review.ts";
import { aheadMs } from "../clock.ts";
import { registerRights, setupRights, workloadRights } from "../rights.ts";
import { source } from "../source.ts";
import { lookAtTls } from "../tls_look.ts";
import * as v from "valibot";

const Version = v.object({ gitVersion: v.string() });
const LABEL = "the cluster";

/** In krun's container krun's own search is followed: what it finds is what the workload will use. */
export const cluster = source<"cluster">({
  label: LABEL,
  deadlines: 3, // GKE's list, then several ways to the cluster
  async look(_, { context, place, isClusterNamed, undo }) {
    if (place !== "krun" || isClusterNamed) return { kube: await context.kube(), settings: undefined };
    const { environment, fetch } = context;
    const { kube, settings } = await discover({ environment, flags: {}, fetch });
    if (kube) return { kube: undo.use(kube), settings };
    throw new Problem({ tried: "find the cluster", got: "XDS_ADDR=-, which asks for no mesh", fix: "unset XDS_ADDR" });
  },
});

export const version = source<"version", "cluster">({
  label: LABEL,
  needs: ["cluster"],
  async look({ cluster: { kube } }, { now }, signal) {
    const what = `ask for the version of ${kube.access.origin}`;
    const sentAt = now();
    const { text, headers } = await kube.request("/version", { what, signal });
    return {
      version: parseAs(Version, text, what).gitVersion,
      aheadMs: aheadMs(headers.get("date"), sentAt, now()),
    };
  },
});

export const user = source<"user", "cluster" | "version">({
  label: "this account's name in the cluster",
  needs: ["cluster", "version"],
  look: ({ cluster: { kube } }, _outside, signal) =>
    whoAmI(kube, signal).catch((error) => {
      if (kube.access.user) return kube.access.user;
      throw error;
    }),
});

export const serverCertificate = source<"serverCertificate", "cluster" | "version">({
  label: "the API server's certificate",
  needs: ["cluster", "version"],
  look({ cluster: { kube } }, _outside, signal) {
    const { server, ca, proxyUrl } = kube.access;
    const { protocol, hostname, port } = new URL(server);
    if (protocol !== "https:") return Promise.resolve(`${server} is not spoken to by TLS`);
    if (proxyUrl) return Promise.resolve("the API server is reached by a proxy");
    const host = hostname.replace(/^\[|\]$/g, "");
    return lookAtTls({ host, port: Number(port || 443), name: host, roots: ca }, signal);
  },
});

export const clientCertificate = source<"clientCertificate", "cluster">({
  label: "the client's certificate",
  needs: ["cluster"],
  look({ cluster: { kube } }) {
    const { certificate } = kube.access;
    return Promise.resolve(certificate && Date.parse(new X509Certificate(certificate.cert).validTo));
  },
});

export const setupReview = source<"setupRights", "cluster" | "version", "namespace" | "workload">({
  label: "an access review",
  needs: ["cluster", "version"],
  wants: ["namespace", "workload"],
  deadlines: 2, // dozens of requests
  look: ({ cluster: { kube }, namespace = "", workload }, _outside, signal) =>
    review(kube, setupRights(namespace, workload?.serviceAccount ?? "default"), { signal }),
});

export const registerReview = source<"registerRights", "cluster" | "version", "namespace">({
  label: "an access review",
  needs: ["cluster", "version"],
  wants: ["namespace"],
  deadlines: 2,
  look: ({ cluster: { kube }, namespace = "" }, _outside, signal) =>
    review(kube, registerRights(namespace), { signal }),
});

/** In its own container the workload asks for itself; elsewhere it is asked about, which takes a right of its own. */
export const workloadReview = source<"workloadRights", "cluster" | "version" | "namespace" | "workload">({
  label: "an access review",
  needs: ["cluster", "version", "namespace", "workload"],
  async look({ cluster: { kube }, namespace, workload: { account, serviceAccount } }, { place }, signal) {
    const rights = workloadRights(namespace, serviceAccount);
    if (place === "krun") return await review(kube, rights, { signal });
    return account === undefined ? undefined : await review(kube, rights, { user: account, signal });
  },
});
