import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { findPinned, NO_PIN } from "../../../shared/base/network/certificate-pin.ts";
import { isLoopback } from "../../../shared/base/network/loopback.ts";
import { openTunnel } from "./proxy-tunnel.ts";

export interface PinPolicy {
  /** SHA-256 of the key of any certificate in the control plane's chain, base64url; or `none`. */
  readonly pin: string;
  /** Certificates of authorities, PEM, that take the place of the machine's list where nothing is pinned. */
  readonly authorities?: string | undefined;
  /** Allows to go without TLS beyond loopback: only on a network that nobody else can read. */
  readonly isNetworkTrusted: boolean;
  /** The proxy through which a URL is reached; undefined: directly. Left out: all are. */
  readonly proxyFor?: (url: URL) => URL | undefined;
}

/** For DNS and TCP: who does not take a connection by then is not there, while TLS may wait for a control plane that is busy. */
const TCP_MS = 10_000;

/** Why a URL may not be dialled under this policy, as a sentence; undefined when it may. */
function whyNotDial(url: URL, { pin, isNetworkTrusted }: PinPolicy): string | undefined {
  if (url.protocol === "wss:" || url.protocol === "https:") return undefined;
  if (pin !== NO_PIN) return `the join token pins a TLS key, but ${url.origin} is without TLS: use https`;
  if (isLoopback(url.hostname) || isNetworkTrusted) return undefined;
  return `${url.origin} is without TLS, which is for loopback only, and ${url.hostname} is not: use https, or set SKERRY_TRUSTED_NETWORK=1 on a network that nobody else can read`;
}

/** Reading the authorities anew took a third of the CPU of each TLS handshake at the node. */
const contexts = new WeakMap<PinPolicy, SecureContext>();

function contextOf(policy: PinPolicy): SecureContext {
  const known = contexts.get(policy);
  if (known) return known;
  const { authorities } = policy;
  const context = createSecureContext(authorities === undefined ? {} : { ca: authorities });
  contexts.set(policy, context);
  return context;
}

/**
 * Opens the connection to a control plane. No byte is sent over TLS before the pin was found in the peer's chain, or, without
 * a pin, before an authority was found that vouches for the peer's name.
 */
export async function pinnedConnect(policy: PinPolicy, url: URL, signal: AbortSignal): Promise<Socket> {
  const why = whyNotDial(url, policy);
  if (why !== undefined) throw new Error(why);
  const isTls = url.protocol === "wss:" || url.protocol === "https:";
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port === "" ? (isTls ? 443 : 80) : Number(url.port);
  const proxy = policy.proxyFor?.(url);
  const below = proxy ? await openTunnel(proxy, { host, port }, signal) : await openTcp({ host, port }, signal);
  below.setNoDelay(true);
  // The host is what the certificate has to be for.
  // With a pin, the pin takes the place of the machine's list of authorities; the chain is checked below.
  const socket: Socket | TLSSocket = isTls
    ? connectTls({
        socket: below,
        host,
        rejectUnauthorized: policy.pin === NO_PIN,
        secureContext: contextOf(policy),
        ...(isIP(host) === 0 && { servername: host }),
        ALPNProtocols: ["http/1.1"],
      })
    : below;
  try {
    if (isTls) await connected(socket, { event: "secureConnect", signal });
    if (isTls && policy.pin !== NO_PIN) {
      const found = findPinned((socket as TLSSocket).getPeerX509Certificate(), { host, pin: policy.pin });
      if (!found.isPinned) throw new Error(`${url.origin}: ${found.why}`);
    }
    return socket;
  } catch (error) {
    socket.destroy();
    below.destroy();
    throw error;
  }
}

async function openTcp(to: { readonly host: string; readonly port: number }, signal: AbortSignal): Promise<Socket> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`no connection within ${TCP_MS / 1_000} s`)), TCP_MS);
  const socket = connectTcp(to);
  try {
    await connected(socket, { event: "connect", signal: AbortSignal.any([signal, late.signal]) });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
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
