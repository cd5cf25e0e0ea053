/** Services of Cloud Run as services of the mesh: the objects that say so, and the words in them. */
export { drainableSeconds } from "./connection_limit.ts";
export * from "./names.ts";
export { type Registration, registrationObjects, type ServicePort } from "./registration.ts";
