import { isIP } from "node:net";

/** How one control plane verifies another one at a `wss://` address. */
export interface PeerTls {
  /** Certificates of the authorities that may vouch for it, PEM; undefined: those of the machine. */
  readonly authorities: string | undefined;
  /** The name that its certificate has to be for; undefined: the one in its address. */
  readonly name: string | undefined;
}

/** Options of a TLS connection to the control plane at `url`; of no effect on one without TLS. */
export function tlsOptions(url: string, tls: PeerTls | undefined): { ca?: string; servername?: string } {
  const { authorities, name } = tls ?? {};
  const host = new URL(url).hostname.replace(/^\[(.*)\]$/, "$1");
  const expected = name ?? (isIP(host) === 0 ? host : undefined);
  return {
    ...(authorities !== undefined && { ca: authorities }),
    ...(expected !== undefined && { servername: expected }),
  };
}
