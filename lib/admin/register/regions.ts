import { UsageError } from "../../base/errors.ts";
import { isLabel } from "../../registration/mod.ts";

/** A region of Cloud Run and its share of the requests. */
export interface RegionShare {
  region: string;
  /** Against the sum of all. */
  weight: number;
}

/** The most that an HTTPRoute takes, https://gateway-api.sigs.k8s.io/reference/spec/#backendref. */
const MOST_WEIGHT = 1_000_000;

/**
 * Reads `us-central1`, `us-central1,europe-west1` and `us-central1=75`, each given any number of times. Without weights all have the same.
 * @param weights one for each region, in their order, where they do not stand with the regions
 * @throws {UsageError} another form, a region twice, some with a weight and some without
 */
export function readRegions(given: readonly string[], weights: readonly string[] = []): RegionShare[] {
  const wrong = (got: string) =>
    new UsageError({
      tried: "read --region",
      got,
      fix: "--region us-central1, or --region us-central1=75 --region europe-west1=25",
    });
  const named = given.flatMap((text) => text.split(",")).map((part) => part.split("="));
  const isApart = weights.length > 0;
  if (isApart && (weights.length !== named.length || named.some((part) => part.length > 1))) {
    throw wrong(`--weight ${weights.join(" and ")} for ${named.map((part) => part.join("=")).join(" and ") || "none"}`);
  }
  const parts = isApart ? named.map((part, at) => [...part, weights[at]!]) : named;
  const shares = parts.map(([region = "", weight = "1", ...more]): RegionShare => {
    if (!isLabel(region) || more.length > 0) throw wrong(`"${[region, weight, ...more].join("=")}"`);
    if (!/^\d{1,7}$/.test(weight) || Number(weight) > MOST_WEIGHT) {
      throw wrong(`weight "${weight}", not a whole number from 0 to ${MOST_WEIGHT}`);
    }
    return { region, weight: Number(weight) };
  });
  const twice = shares.find(({ region }, at) => shares.findIndex((share) => share.region === region) < at);
  if (twice) throw wrong(`${twice.region} twice`);
  const weighted = parts.filter((part) => part.length > 1).length;
  if (weighted > 0 && weighted < parts.length) throw wrong("a weight for some regions and none for others");
  if (shares.length > 0 && shares.every(({ weight }) => weight === 0)) throw wrong("no weight above 0");
  return shares;
}

/**
 * Reads `https://host[:port]`, for the one region there is, and `us-central1=https://host`.
 * @returns region → URL  @throws {UsageError} another form, or a region that is not registered
 */
export function readUrls(given: readonly string[], regions: readonly string[]): ReadonlyMap<string, string> {
  const urls = new Map<string, string>();
  for (const text of given) {
    const wrong = (got: string) =>
      new UsageError({
        tried: "read --url",
        got,
        fix: "--url https://host, with several regions --url REGION=https://host",
      });
    const [, named, url = ""] = /^(?:([a-z0-9-]+)=)?(https:\/\/[^/?#@=\s]+)\/?$/i.exec(text) ?? [];
    if (!url) throw wrong(`"${text}"`);
    const region = named ?? (regions.length === 1 ? regions[0] : undefined);
    if (region === undefined) throw wrong(`"${text}" for ${regions.length} regions`);
    if (!regions.includes(region)) throw wrong(`region ${region}, which is not registered`);
    if (urls.has(region)) throw wrong(`${region} twice`);
    urls.set(region, url);
  }
  return urls;
}
