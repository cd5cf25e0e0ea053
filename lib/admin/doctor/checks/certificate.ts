import { fail, pass, type Verdict, warn } from "../finding.ts";
import { moment } from "../moment.ts";
import type { TlsLook } from "../tls_look.ts";

export interface CertificateWords {
  /** Name that was asked for. */
  name: string;
  now: number;
  /** What is warned about, before the end. */
  warnMs: number;
  /** For each kind of fault. */
  fix: { renew: string; roots: string; name: string };
}

/**
 * Whether a server's certificate is good is the runtime's to say; why it is not, in words that can be acted on, what the certificate
 * says of itself.
 */
export function certificateVerdict({ leaf, refusal }: TlsLook, words: CertificateWords): Verdict {
  const { name, now, warnMs, fix } = words;
  if (refusal !== undefined) {
    if (leaf && leaf.notAfter <= now) return fail(`it ended ${moment(leaf.notAfter, now)}`, fix.renew);
    const isName = leaf && !leaf.isForName && !/UnknownIssuer/i.test(refusal);
    if (isName) return fail(`it is for ${leaf.names.join(", ") || leaf.subject}, not for ${name}`, fix.name);
    return fail(`it is not trusted: ${refusal}`, fix.roots);
  }
  const seen = leaf ? `for ${name}, ends ${moment(leaf.notAfter, now)}` : `for ${name}`;
  return leaf && leaf.notAfter - now < warnMs ? warn(seen, fix.renew) : pass(seen);
}
