import { createHash, type X509Certificate } from "node:crypto";

/** No name of a host is like it. */
const IP_ADDRESS = /^\d+(\.\d+){3}$|:/;

/** Pin of a server that nobody pinned: over TLS the machine's list of authorities decides. */
export const NO_PIN = "none";

/** SHA-256 of the key (SPKI) of a certificate, base64url. It outlives a renewal of the certificate with the same key. */
export const pinOf = (certificate: X509Certificate): string =>
  createHash("sha256")
    .update(certificate.publicKey.export({ type: "spki", format: "der" }))
    .digest("base64url");

export type Pinned =
  | { readonly isPinned: true; readonly certificate: X509Certificate }
  | { readonly isPinned: false; readonly why: string };

/**
 * Walks the chain from the peer's own certificate upwards until one has the pinned key. Each step must be a true
 * signature, or anybody could append the pinned certificate, which is public, to a chain of their own. `now`: ms since 1970.
 */
export function findPinned(
  peer: X509Certificate | undefined,
  { host, pin, now = Date.now() }: { readonly host: string; readonly pin: string; readonly now?: number },
): Pinned {
  const no = (why: string): Pinned => ({ isPinned: false, why });
  if (!peer) return no("the peer showed no certificate");
  const isNamed = IP_ADDRESS.test(host) ? peer.checkIP(host) : peer.checkHost(host);
  if (isNamed === undefined) return no(`the peer's certificate is not for ${host}`);
  for (let certificate = peer; ;) {
    if (now < Date.parse(certificate.validFrom) || now > Date.parse(certificate.validTo))
      return no(
        `the certificate ${certificate.subject} is valid from ${certificate.validFrom} to ${certificate.validTo} (is this machine's clock right?)`,
      );
    if (pinOf(certificate) === pin) return { isPinned: true, certificate };
    const issuer = certificate.issuerCertificate;
    const isSigned =
      issuer !== undefined &&
      issuer.fingerprint256 !== certificate.fingerprint256 &&
      issuer.ca &&
      certificate.checkIssued(issuer) &&
      certificate.verify(issuer.publicKey);
    if (!isSigned) return no("no certificate in the peer's chain has the pinned key");
    certificate = issuer;
  }
}
