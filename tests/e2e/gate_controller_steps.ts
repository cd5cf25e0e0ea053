import assert from "node:assert/strict";
import {
  AUTO_REGISTRATION_LABEL,
  OWNER_ANNOTATION,
  REGISTERED,
  registrationObjects,
} from "../../lib/registration/mod.ts";
import { runService } from "../emulators/cloud_run.ts";
import type { Container } from "./container.ts";
import { isAnswered } from "./gate_answer.ts";
import { PROJECT } from "./google.ts";
import { gatePods } from "./gate_metrics.ts";
import { HGATE_NAMESPACE } from "./hgate.ts";
import { NAMESPACE, SERVICE } from "./objects.ts";
import { eventually } from "./process.ts";
import { registered } from "./register_steps.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

const LABELLED = "cr-e2e-labelled";
/** As the overlay tells hgate. */
const REGION = "us-central1";

/** What hgate's controller makes of the cluster, seen from outside. */
export async function gateController(world: E2eWorld, krun: Container, step: Step): Promise<void> {
  const { cluster, gateAddress, registration } = world;
  const routes = async () =>
    (await cluster.exec(HGATE_NAMESPACE, "deployment/hgate", "hgate", "hgate", "routes")).stdout;

  await step("a service is removed: 15442 knows its name no more; added again: it is answered", async () => {
    const objects = registrationObjects(registration);
    const name = `outbound_.8080_._.${SERVICE}.${NAMESPACE}.svc.cluster.local`;
    assert.equal(await isAnswered(gateAddress, name), true);
    await cluster.remove(...objects);
    try {
      await eventually("a closed port", async () => await isAnswered(gateAddress, name) ? undefined : true);
      for (const { name: replica } of await gatePods(cluster)) { // each hears of it by a watch of its own
        await eventually(`a table without it at ${replica}`, async () => {
          const { stdout } = await cluster.exec(HGATE_NAMESPACE, `pod/${replica}`, "hgate", "hgate", "routes");
          return stdout.includes("KIND") && !stdout.includes(SERVICE) ? true : undefined;
        });
      }
    } finally {
      await cluster.apply(...objects);
    }
    await eventually("an open port", async () => await isAnswered(gateAddress, name) || undefined);
    await world.reached(krun, "/", /ready/);
  });

  await step("hgate routes prints what the gate knows", async () => {
    const text = await routes();
    assert.match(text, /^KIND +SERVICE +NAME +TO +OPEN$/m);
    assert.match(
      text,
      new RegExp(`^tunnel +${NAMESPACE}/${SERVICE} .*https://${SERVICE}\\.a\\.run\\.app/_hbone/15003 `, "m"),
    );
    assert.match(text, /^istiod +istiod +istiod\.istio-system\.svc /m);
    assert.match(text, /^ready, engine envoy/m);
  });

  await step("mesh-env of the gate's namespace has its address and the roots", async () => {
    const dataOf = async (name: string) =>
      (await cluster.get<{ data: Record<string, string> }>("-n", HGATE_NAMESPACE, "configmap", name)).data;
    const data = await dataOf("mesh-env");
    assert.equal(data["IMCON_ADDR"], gateAddress);
    assert.equal(data["CAROOT_ISTIOD"], (await dataOf("istio-ca-root-cert"))["root-cert.pem"]);
    assert.deepEqual([data["PROJECT_ID"], data["CLUSTER_LOCATION"]], [PROJECT.projectId, REGION]);
  });

  await step("a labelled Service is registered by hgate, answered, and let go with its label", async () => {
    const { projectId: project, projectNumber } = PROJECT;
    const uri = registration.url; // the front end knows no other
    world.google.cloudRun.state.services.push(
      runService({ project, projectNumber, region: REGION, service: LABELLED, fields: { uri, urls: [uri] } }),
    );
    const made = async () =>
      (await cluster.get<{ items: { kind: string; metadata: { annotations?: Record<string, string> } }[] }>(
        ...["-n", NAMESPACE, "workloadentries,destinationrules,sidecars.networking.istio.io,peerauthentications"],
      )).items.filter(({ metadata }) => metadata.annotations?.[OWNER_ANNOTATION] === `Service ${NAMESPACE}/${LABELLED}`)
        .map(({ kind }) => kind).sort();
    const service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: LABELLED, namespace: NAMESPACE, labels: { [REGISTERED]: "" } },
      spec: { ports: [{ name: "http", port: 8080, targetPort: 15_443 }] },
    };
    const optedIn = (word: string) =>
      cluster.kubectl("label", "--overwrite", "namespace", NAMESPACE, `${AUTO_REGISTRATION_LABEL}${word}`);
    try {
      await cluster.apply(service);
      await optedIn("=enabled");
      await eventually("its objects", async () => (await made()).length === 4 || undefined);
      assert.deepEqual(await made(), ["DestinationRule", "PeerAuthentication", "Sidecar", "WorkloadEntry"]);
      assert.match(
        await eventually("its route", async () => {
          const text = await routes();
          return text.includes(LABELLED) ? text : undefined;
        }),
        new RegExp(`^tunnel +${NAMESPACE}/${LABELLED} `, "m"),
      );
      await eventually("its answer", async () => {
        const { stdout } = await cluster.exec(
          ...[NAMESPACE, "deployment/echo", "echo", "/usr/local/bin/fortio", "curl"] as const,
          `http://${LABELLED}:8080/`,
        );
        if (!stdout.includes("ready")) throw new Error(stdout);
        return true;
      });
      await cluster.kubectl("-n", NAMESPACE, "label", "service", LABELLED, `${REGISTERED}-`);
      await eventually("their end", async () => (await made()).length === 0 || undefined);
    } finally {
      await optedIn("-");
      await cluster.remove(service);
    }
  });

  await registered(world, krun, step);
}
