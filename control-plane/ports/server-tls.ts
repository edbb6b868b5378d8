import type { CertificateSource } from "../../shared/base/network/server-certificate.ts";
import type { NewEvent } from "./events.ts";

/** What this control plane serves TLS with. */
export interface ServerTls {
  readonly certificates: CertificateSource;
  /** What nodes check it by: SHA-256 of the key of an authority in its chain, base64url; `none`: their lists of authorities. */
  readonly pin: string;
  /** When the present certificate ends, in ms since 1970. */
  readonly endsAt: number;
  /** Renews, or reads again what was replaced, until `stop`. `recordEvent`: what an operator should know of it. */
  start(recordEvent: (event: Omit<NewEvent, "object">) => void): void;
  stop(): void;
}
