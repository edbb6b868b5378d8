/** What a TLS server shows, as PEM: its certificate with the chain behind it, and the private key of the first. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
}

/** The certificate of a server, which may be renewed while it serves. */
export interface CertificateSource {
  readonly current: ServerCertificate;
  /** Calls `listener` with each that takes the place of `current`. */
  onChange(listener: (next: ServerCertificate) => void): void;
}
