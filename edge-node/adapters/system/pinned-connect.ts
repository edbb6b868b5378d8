import { createHash, type X509Certificate } from "node:crypto";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { openTunnel } from "./proxy-tunnel.ts";
import { isLoopback } from "../../core/loopback.ts";

/** Pin of a control plane that is reached without TLS. */
const NO_PIN = "none";

export interface PinPolicy {
  /** SHA-256 of the SPKI of any certificate in the control plane's chain, base64url; or `none`. */
  readonly pin: string;
  /** Allows `none` beyond loopback: only on a network that nobody else can read. */
  readonly isNetworkTrusted: boolean;
  /** The proxy through which a URL is reached; undefined: directly. Left out: all are. */
  readonly proxyFor?: (url: URL) => URL | undefined;
}

/** Why a URL may not be dialled under this policy, as a sentence; undefined when it may. */
function whyNotDial(url: URL, { pin, isNetworkTrusted }: PinPolicy): string | undefined {
  const isTls = url.protocol === "wss:" || url.protocol === "https:";
  if (pin !== NO_PIN)
    return isTls ? undefined : `the join token pins a TLS key, but ${url.origin} is without TLS: use https`;
  if (isLoopback(url.hostname) || isNetworkTrusted) return undefined;
  return `the join token pins no TLS key, which is for loopback only, and ${url.hostname} is not: make a token with a pin, or set SKERRY_TRUSTED_NETWORK=1 on a network that nobody else can read`;
}

/** Opens the connection to a control plane. No byte is sent over TLS before the pin was found in the peer's chain. */
export async function pinnedConnect(policy: PinPolicy, url: URL, signal: AbortSignal): Promise<Socket> {
  const why = whyNotDial(url, policy);
  if (why !== undefined) throw new Error(why);
  const isTls = url.protocol === "wss:" || url.protocol === "https:";
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port === "" ? (isTls ? 443 : 80) : Number(url.port);
  const proxy = policy.proxyFor?.(url);
  const tunnel = proxy && (await openTunnel(proxy, { host, port }, signal));
  const below = tunnel ? { socket: tunnel } : { host, port };
  // With a pin, the pin takes the place of the machine's list of authorities; the chain is checked below.
  const socket: Socket | TLSSocket = isTls
    ? connectTls({
        ...below,
        rejectUnauthorized: policy.pin === NO_PIN,
        ...(isIP(host) === 0 && { servername: host }),
        ALPNProtocols: ["http/1.1"],
      })
    : (tunnel ?? connectTcp({ host, port }));
  socket.setNoDelay(true);
  try {
    if (isTls || !tunnel) await connected(socket, { event: isTls ? "secureConnect" : "connect", signal });
    if (isTls && policy.pin !== NO_PIN) {
      const refusal = whyNotPinned((socket as TLSSocket).getPeerX509Certificate(), { host, pin: policy.pin });
      if (refusal !== undefined) throw new Error(`${url.origin}: ${refusal}`);
    }
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function connected(
  socket: Socket,
  { event, signal }: { readonly event: "connect" | "secureConnect"; readonly signal: AbortSignal },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void): void => {
      socket.off(event, onConnect);
      socket.off("error", onError);
      socket.off("close", onClose);
      signal.removeEventListener("abort", onAbort);
      settle();
    };
    const onConnect = (): void => done(resolve);
    const onError = (error: Error): void => done(() => reject(error));
    const onClose = (): void => done(() => reject(new Error("the connection closed before it was set up")));
    const onAbort = (): void =>
      done(() => reject(signal.reason instanceof Error ? signal.reason : new Error("called off")));
    socket.on(event, onConnect);
    socket.on("error", onError);
    socket.on("close", onClose);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
  });
}

/**
 * Walks the chain from the peer's own certificate upwards until one has the pinned key. Each step must be a true
 * signature, or anybody could append the pinned certificate, which is public, to a chain of their own.
 */
function whyNotPinned(
  peer: X509Certificate | undefined,
  { host, pin, now = Date.now() }: { readonly host: string; readonly pin: string; readonly now?: number },
): string | undefined {
  if (!peer) return "the peer showed no certificate";
  const isNamed = isIP(host) === 0 ? peer.checkHost(host) : peer.checkIP(host);
  if (isNamed === undefined) return `the peer's certificate is not for ${host}`;
  for (let certificate = peer; ;) {
    if (now < Date.parse(certificate.validFrom) || now > Date.parse(certificate.validTo))
      return `the certificate ${certificate.subject} is valid from ${certificate.validFrom} to ${certificate.validTo} (is this machine's clock right?)`;
    if (spkiHash(certificate) === pin) return undefined;
    const issuer = certificate.issuerCertificate;
    const isSigned =
      issuer !== undefined &&
      issuer.fingerprint256 !== certificate.fingerprint256 &&
      issuer.ca &&
      certificate.checkIssued(issuer) &&
      certificate.verify(issuer.publicKey);
    if (!isSigned) return "no certificate in the peer's chain has the pinned key";
    certificate = issuer;
  }
}

const spkiHash = (certificate: X509Certificate): string =>
  createHash("sha256")
    .update(certificate.publicKey.export({ type: "spki", format: "der" }))
    .digest("base64url");
