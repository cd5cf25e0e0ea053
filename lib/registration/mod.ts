/** Services of Cloud Run as services of the mesh: the objects that say so, and the words in them. */
export { drainableSeconds } from "./connection_limit.ts";
export * from "./names.ts";
export { type Registration, registrationObjects, type ServicePort } from "./registration.ts";
export { httpRoutes, isHttp, regionalName, type Split, virtualService } from "./split.ts";
export { type CommandWords, namedPorts, registrationOf, type Wish, type WishedFacts, wishOf } from "./wish.ts";
