import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { NO_PIN, pinOf } from "../../../shared/base/network/certificate-pin.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { ServerCertificate } from "../../../shared/base/network/server-certificate.ts";

/** A certificate with its key that a server can show. */
export interface CheckedCertificate extends ServerCertificate {
  /** When the first of its chain to end does so, in ms since 1970. */
  readonly endsAt: number;
  /** When it was made, in ms since 1970. */
  readonly beganAt: number;
}

/** The certificates of a PEM text, in its order. Throws when there is none, or one cannot be read. */
export function certificatesOf(pem: string): readonly [X509Certificate, ...X509Certificate[]] {
  const [first, ...rest] = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (first === undefined) throw new Error("it holds no certificate in PEM");
  return [new X509Certificate(first), ...rest.map((text) => new X509Certificate(text))];
}

/** Throws, with a sentence that has no secret in it, when a server could not show these, or clients would refuse them now. */
export function checkCertificate({ cert, key }: ServerCertificate, now: number): CheckedCertificate {
  const chain = certificatesOf(cert);
  const [own] = chain;
  let isKeyOfIt: boolean;
  try {
    isKeyOfIt = own.checkPrivateKey(createPrivateKey(key));
  } catch (error) {
    throw new Error(`the key cannot be read: ${messageOf(error)}`, { cause: error });
  }
  if (!isKeyOfIt) throw new Error("the key is not the one of the first certificate");
  const endsAt = Math.min(...chain.map(({ validTo }) => Date.parse(validTo)));
  if (endsAt <= now) throw new Error(`it ended at ${new Date(endsAt).toISOString()}`);
  createSecureContext({ cert, key }); // what OpenSSL itself refuses, e.g. keys that are too short
  return { cert, key, endsAt, beganAt: Date.parse(own.validFrom) };
}

/**
 * The pin for nodes: of the first of the given authorities that the chain leads to, else of the root at its end, or of a
 * certificate that is its own root. None where a public authority signed: it changes the keys below its roots, and a root that is
 * not sent is not seen. Throws when none of the given authorities vouches for the certificate: every node would refuse it.
 */
export function pinFor(cert: string, authorities: string | undefined): string {
  if (authorities === undefined) {
    const last = chainOf(certificatesOf(cert)).at(-1);
    return last?.checkIssued(last) === true && last.verify(last.publicKey) ? pinOf(last) : NO_PIN;
  }
  const given = certificatesOf(authorities);
  const chain = new Set(chainOf([...certificatesOf(cert), ...given]).map(pinOf));
  const pin = given.map(pinOf).find((each) => chain.has(each));
  if (pin === undefined)
    throw new Error("none of these authorities vouches for the certificate, with what is behind it");
  return pin;
}

/** Throws when a certificate may not take the place of the one that is shown: callers who take that one would refuse it. */
export function checkSuccessor(
  { cert, beganAt }: CheckedCertificate,
  { pin, now }: { readonly pin: string; readonly now: number },
): void {
  if (beganAt > now) throw new Error(`it begins at ${new Date(beganAt).toISOString()}`);
  if (pin !== NO_PIN && !chainOf(certificatesOf(cert)).some((each) => pinOf(each) === pin))
    throw new Error(
      `no certificate in its chain has the key ${pin}, which nodes have pinned: they would all stay away. To show it, start the control plane anew`,
    );
}

/** From the first certificate upwards, each signed by the next, whatever their order. */
function chainOf([first, ...others]: readonly [X509Certificate, ...X509Certificate[]]): readonly X509Certificate[] {
  const chain = [first];
  const left = new Set(others);
  for (let last = first; ;) {
    const issuer = [...left].find((each) => each.ca && last.checkIssued(each) && last.verify(each.publicKey));
    if (issuer === undefined) return chain;
    left.delete(issuer);
    chain.push(issuer);
    last = issuer;
  }
}

/** The chain with the authorities behind it, so that one who pinned them finds them in it. */
export function withAuthorities(cert: string, authorities: string | undefined): string {
  if (authorities === undefined) return cert;
  const there = new Set(certificatesOf(cert).map(({ fingerprint256 }) => fingerprint256));
  const missing = certificatesOf(authorities).filter(({ fingerprint256 }) => !there.has(fingerprint256));
  return [cert.trimEnd(), ...missing.map((each) => each.toString().trimEnd()), ""].join("\n");
}
