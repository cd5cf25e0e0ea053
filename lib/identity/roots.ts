import { X509Certificate } from "node:crypto";
import { Problem, reasonOf } from "../base/errors.ts";

/** What is said of each root in the log. */
export interface RootFacts {
  subject: string;
  /** Milliseconds since 1970. */
  notAfter: number;
}

/**
 * Looks at every certificate of a PEM bundle.
 * @throws {Problem} one that is no certificate, or has ended: the mesh could not be trusted with it
 */
export function checkRoots(pem: string, now: () => number = Date.now): RootFacts[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  const tried = "read the mesh's root certificates (CAROOT_*)";
  const fix = "renew CAROOT_ISTIOD in mesh-env from config map istio-ca-root-cert";
  if (blocks.length === 0) throw new Problem({ tried, got: "a value without a PEM certificate", fix });
  const facts = blocks.map((block): RootFacts => {
    try {
      const certificate = new X509Certificate(block);
      return { subject: certificate.subject.replace(/\n/g, ", "), notAfter: Date.parse(certificate.validTo) };
    } catch (error) {
      throw new Problem({ tried, got: `a certificate that cannot be read: ${reasonOf(error)}`, fix });
    }
  });
  const live = facts.filter(({ notAfter }) => notAfter > now());
  if (live.length === 0) {
    const ended = facts.map(({ subject, notAfter }) => `${subject} ended ${new Date(notAfter).toISOString()}`).join(
      "; ",
    );
    throw new Problem({ tried, got: ended, fix });
  }
  return facts;
}
