import { type RunTraffic, TRAFFIC_LATEST, TRAFFIC_REVISION } from "../../gcp/mod.ts";

/** What a service without any gets from Cloud Run. */
const ALL_TO_LATEST: readonly RunTraffic[] = [{ type: TRAFFIC_LATEST, percent: 100 }];

/** The targets without our tag's own one. */
export function trafficOf(traffic: readonly RunTraffic[] | undefined, tag?: string): readonly RunTraffic[] {
  const own = (traffic ?? []).filter((target) => !(tag && target.tag === tag && !target.percent));
  return own.length > 0 ? own : ALL_TO_LATEST;
}

/** As it is now, by name: a revision that gets ready gets no request. @param ready `web-00001-abc` */
export function pinned(traffic: readonly RunTraffic[], ready: string): RunTraffic[] {
  return traffic.map((target) => {
    if (target.type !== TRAFFIC_LATEST) return target;
    const { percent, tag } = target;
    return { type: TRAFFIC_REVISION, revision: ready, ...(percent ? { percent } : {}), ...(tag ? { tag } : {}) };
  });
}

/**
 * The same split with the new revision in the place of the one that was the latest: what followed the latest follows it, what named it names
 * the new one, which has no name yet. What goes to other revisions goes there.
 */
export function shiftedFrom(traffic: readonly RunTraffic[], ready: string): RunTraffic[] {
  return traffic.map((target) => {
    if (target.type !== TRAFFIC_REVISION || target.revision !== ready || target.tag) return target;
    const { revision: _, ...unnamed } = target;
    return unnamed;
  });
}

/** With the new revision's name. */
export function named(traffic: readonly RunTraffic[], revision: string): RunTraffic[] {
  return traffic.map((target) =>
    target.type === TRAFFIC_REVISION && !target.revision ? { ...target, revision } : target
  );
}

/** With a tag by which the latest revision can be asked before anybody else is led to it. */
export function withTag(traffic: readonly RunTraffic[], tag: string): RunTraffic[] {
  return [...traffic, { type: TRAFFIC_LATEST, tag }];
}

/** Percent of requests that go to revisions other than the new one. @param own its name, where it has one */
export function elsewhere(shifted: readonly RunTraffic[], own?: string): number {
  return shifted.filter(({ type, revision }) => type === TRAFFIC_REVISION && revision && revision !== own)
    .reduce((sum, { percent = 0 }) => sum + percent, 0);
}

/** Whether requests go the same ways, whatever the order and however nothing is written. */
export function isSameTraffic(a: readonly RunTraffic[], b: readonly RunTraffic[]): boolean {
  return textOf(a) === textOf(b);
}

function textOf(traffic: readonly RunTraffic[]): string {
  return traffic.map(({ type, revision = "", percent = 0, tag = "" }) => [type, revision, percent, tag].join(" "))
    .sort()
    .join("\n");
}
