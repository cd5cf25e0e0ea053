/**
 * Makes the first TLS handshake quick: Deno 2.9's cryptography gathers its entropy at the first use, some 40 ms, and a handshake would wait
 * for it on the thread that everything else runs on. A key that nobody needs gathers it on another thread.
 */
export function warmUpTls(): void {
  crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]).catch(() => {});
}
