import type { Sources } from "../gather.ts";
import * as cluster from "./cluster.ts";
import * as container from "./container.ts";
import * as gate from "./gate.ts";
import * as google from "./google.ts";
import * as mesh from "./mesh.ts";
import * as namespace from "./namespace.ts";
import * as service from "./service.ts";

/** Every source by the name of what it gives. */
export const SOURCES: Sources = {
  credentials: google.credentials,
  token: google.token,
  project: google.project,
  region: google.region,
  apis: google.apis,
  labels: google.labels,
  projectPolicy: google.policyOfProject,
  clocks: google.clocks,

  cluster: cluster.cluster,
  version: cluster.version,
  user: cluster.user,
  serverCertificate: cluster.serverCertificate,
  clientCertificate: cluster.clientCertificate,
  setupRights: cluster.setupReview,
  registerRights: cluster.registerReview,
  workloadRights: cluster.workloadReview,

  namespace: namespace.namespace,
  namespaceObject: namespace.namespaceObject,
  workload: namespace.workload,
  serviceAccount: namespace.serviceAccount,
  roles: namespace.roles,
  roleBindings: namespace.roleBindings,
  hasServicesToRegister: namespace.servicesToRegister,

  meshEnv: mesh.meshEnv,
  istioRoot: mesh.istioRoot,
  istiod: mesh.istiod,
  istioResources: mesh.istioResources,
  istiodPort: mesh.istiodPort,
  istiodTls: mesh.istiodTls,

  gateDeployment: gate.gateDeployment,
  gateServices: gate.gateServices,
  tunnelPort: gate.tunnelPort,
  gateIstiodPort: gate.gateIstiodPort,
  externalPort: gate.externalPort,
  statusPort: gate.statusPort,
  gateReports: gate.gateReports,
  gateAccount: gate.gateAccount,
  gateAccountPolicy: gate.gateAccountPolicy,
  names: container.names,

  run: service.run,
  runPolicy: service.runPolicy,
  registration: service.registration,

  krunReady: container.krunReady,
  proxyReady: container.proxyReady,
  tokenFile: container.tokenFile,
  certificates: container.certificates,
  appPort: container.appPort,
};
