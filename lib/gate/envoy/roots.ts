import { createHash, X509Certificate } from "node:crypto";
import { writeAtomically } from "../../base/atomic_file.ts";
import { Problem } from "../../base/errors.ts";

/** Where systems keep their roots in one file: Debian and Alpine, Fedora, BSD. */
const SYSTEM_BUNDLES = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
/** Who signs Cloud Run's own names, and whose root theirs is cross-signed by (https://pki.goog/repository). */
const GOOGLE = /^O=(Google Trust Services|GlobalSign)/m;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
/** Cloud Run's own names. */
const CLOUD_RUN_DOMAIN = ".run.app";
/** Of Envoy's words for a certificate that leads to none of the roots. */
const UNVERIFIED = "CERTIFICATE_VERIFY_FAILED";

/**
 * Which roots a front end is verified with. Envoy keeps a copy of all of them for every cluster, 300 KiB for the system's: thousands of
 * services would take gigabytes. So names of Cloud Run's get the few that sign them, for as long as these do.
 */
export class FrontEndRoots {
  #google: string | undefined;

  /** @param google file with the few, if there are any */
  constructor(readonly all: string, google: string | undefined) {
    this.#google = google;
  }

  /** The file for a host. */
  pathFor(host: string): string {
    return host.endsWith(CLOUD_RUN_DOMAIN) ? this.#google ?? this.all : this.all;
  }

  /** A front end's certificate was not accepted: true when all are to be tried with the system's roots from now on. */
  refused(reason: string): boolean {
    if (!this.#google || !reason.includes(UNVERIFIED)) return false;
    this.#google = undefined;
    return true;
  }
}

/**
 * Writes the roots into `directory`, which Envoy sees under the same name: its own image needs none. Files are named after their
 * content, so that a change of it reaches an Envoy that runs.
 *
 * @param more PEM beside the system's
 * @throws {Problem} there are no roots at all
 */
export async function writeRoots(
  directory: string,
  more = "",
  bundles: readonly string[] = SYSTEM_BUNDLES,
): Promise<FrontEndRoots> {
  let system = "";
  for (const path of bundles) {
    system = await Deno.readTextFile(path).catch(() => "");
    if (system !== "") break;
  }
  if (system === "" && more === "") {
    throw new Problem({
      tried: `read the system's root certificates (${bundles.join(", ")})`,
      got: "none of these files is there",
      fix: "install the ca-certificates package in hgate's image",
    });
  }
  const google = googleRoots(system);
  return new FrontEndRoots(
    await write(directory, "roots", [system, more]),
    google === "" ? undefined : await write(directory, "google-roots", [google, more]),
  );
}

async function write(directory: string, name: string, parts: readonly string[]): Promise<string> {
  const pem = parts.filter((part) => part !== "").join("\n");
  const path = `${directory}/${name}-${createHash("sha256").update(pem).digest("hex").slice(0, 16)}.pem`;
  await writeAtomically(path, pem);
  return path;
}

/** Those of a bundle that sign names of Cloud Run's. */
export function googleRoots(pem: string): string {
  return (pem.match(CERTIFICATE) ?? []).filter((one) => GOOGLE.test(new X509Certificate(one).subject)).join("\n");
}
