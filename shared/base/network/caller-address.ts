/** An IP address with a port behind it, as some proxies write it: `10.0.0.7:51234`, `[::1]:443`, `[::1]`. */
const WITH_PORT = /^(?:\[([0-9A-Fa-f.:]+)\]|(\d+\.\d+\.\d+\.\d+))(?::\d+)?$/;
const ADDRESS = /^[0-9A-Fa-f.:]{2,45}$/;

/** What is known of a connection and of the proxies in front of it. */
export interface Arrival {
  /** The other end of the connection. */
  readonly peer: string | undefined;
  /** `X-Forwarded-For` as it came; several headers joined by commas. */
  readonly forwardedFor: string | undefined;
  /** How many proxies in front add to that header; 0: it is not believed. */
  readonly trustedProxies: number;
}

/**
 * The caller's address: for limits, audit entries and logs. Behind `trustedProxies` proxies it is what the outermost of them
 * saw; entries further left in `X-Forwarded-For` are the caller's own claims. A header that is too short
 * or no address leaves the other end of the connection.
 */
export function callerAddress({ peer = "unknown", forwardedFor = "", trustedProxies }: Arrival): string {
  if (trustedProxies === 0) return peer;
  const claimed = withoutPort(forwardedFor.split(",").at(-trustedProxies)?.trim() ?? "");
  return ADDRESS.test(claimed) ? claimed : peer;
}

/** Each connection of a caller has another port: with it, each would have limits of its own. */
function withoutPort(address: string): string {
  const [, inBrackets, plain] = WITH_PORT.exec(address) ?? [];
  return inBrackets ?? plain ?? address;
}
