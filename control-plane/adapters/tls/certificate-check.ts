import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { NO_PIN, pinOf } from "../../../shared/base/certificate-pin.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { ServerCertificate } from "../../../shared/base/server-certificate.ts";

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
 * The pin for nodes: of the given authority, else of the root at the end of the chain, or of a certificate that is its own
 * root. None where a public authority signed: it changes the keys below its roots, and a root that is not sent is not seen.
 */
export function pinFor(cert: string, authorities: string | undefined): string {
  const last = authorities === undefined ? certificatesOf(cert).at(-1) : certificatesOf(authorities)[0];
  const isRoot = last !== undefined && last.checkIssued(last) && last.verify(last.publicKey);
  return isRoot || authorities !== undefined ? (last === undefined ? NO_PIN : pinOf(last)) : NO_PIN;
}

/** The chain with the authorities behind it, so that one who pinned them finds them in it. */
export function withAuthorities(cert: string, authorities: string | undefined): string {
  if (authorities === undefined) return cert;
  const there = new Set(certificatesOf(cert).map(({ fingerprint256 }) => fingerprint256));
  const missing = certificatesOf(authorities).filter(({ fingerprint256 }) => !there.has(fingerprint256));
  return [cert.trimEnd(), ...missing.map((each) => each.toString().trimEnd()), ""].join("\n");
}
