import { createHash } from "node:crypto";
import { Problem } from "../../base/errors.ts";
import { writeAtomically } from "../../base/atomic_file.ts";

/** Where systems keep their roots in one file: Debian and Alpine, Fedora, BSD. */
const SYSTEM_BUNDLES = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/**
 * Writes the roots that front ends are verified with into `directory`, which Envoy sees under the same name: its own image needs none.
 * The file is named after its content, so that a change of it reaches an Envoy that runs.
 *
 * @param more PEM beside the system's
 * @returns the file's path
 * @throws {Problem} there are no roots at all
 */
export async function writeRoots(
  directory: string,
  more = "",
  bundles: readonly string[] = SYSTEM_BUNDLES,
): Promise<string> {
  let system = "";
  for (const path of bundles) {
    system = await Deno.readTextFile(path).catch(() => "");
    if (system !== "") break;
  }
  const pem = [system, more].filter((part) => part !== "").join("\n");
  if (pem === "") {
    throw new Problem({
      tried: `read the system's root certificates (${bundles.join(", ")})`,
      got: "none of these files is there",
      fix: "install the ca-certificates package in hgate's image",
    });
  }
  const path = `${directory}/roots-${createHash("sha256").update(pem).digest("hex").slice(0, 16)}.pem`;
  await writeAtomically(path, pem);
  return path;
}
