import { experimental, ServerCredentials } from "@grpc/grpc-js";
import type { CertificateSource, ServerCertificate } from "../base/network/server-certificate.ts";

type Provider = Parameters<typeof experimental.createCertificateProviderServerCredentials>[0];
type Listener = Parameters<Provider["addIdentityCertificateListener"]>[0];

/** What the library's server shows: nothing without `certificates`. One that changes is shown to the next connection. */
export function serverCredentials(certificates: CertificateSource | undefined): ServerCredentials {
  if (certificates === undefined) return ServerCredentials.createInsecure();
  return experimental.createCertificateProviderServerCredentials(providerOf(certificates), null, false);
}

/** Certificates for the library, which asks for none of clients. */
function providerOf(certificates: CertificateSource): Provider {
  const listeners = new Set<Listener>();
  certificates.onChange((next) => listeners.forEach((listener) => listener(updateOf(next))));
  return {
    addCaCertificateListener: () => undefined,
    removeCaCertificateListener: () => undefined,
    addIdentityCertificateListener(listener) {
      listeners.add(listener);
      // Not at once: the library passes it on to the servers that it knows, and learns of this one behind this call.
      queueMicrotask(() => listener(updateOf(certificates.current)));
    },
    removeIdentityCertificateListener: (listener) => void listeners.delete(listener),
  };
}

const updateOf = ({ cert, key }: ServerCertificate): { certificate: Buffer; privateKey: Buffer } => ({
  certificate: Buffer.from(cert),
  privateKey: Buffer.from(key),
});
