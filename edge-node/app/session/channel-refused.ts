import type { ChannelClosed, ChannelRefused } from "../../ports/channels.ts";

/** A dial that did not lead to a session: the network, an HTTP refusal, a close during the handshake. */
export function channelRefused(closed: ChannelClosed): ChannelRefused {
  return Object.assign(new Error(`${closed.reason} (${closed.code})`), { name: "ChannelRefused" as const, closed });
}

/** By name, not by `instanceof`: realms differ under Jest. */
export function isChannelRefused(error: unknown): error is ChannelRefused {
  return error instanceof Error && error.name === "ChannelRefused" && "closed" in error;
}
