import type { LinkClosed, LinkRefused } from "../../ports/links.ts";

/** A dial that did not lead to a session: the network, an HTTP refusal, a close during the handshake. */
export function linkRefused(closed: LinkClosed): LinkRefused {
  return Object.assign(new Error(`${closed.reason} (${closed.code})`), { name: "LinkRefused" as const, closed });
}

/** By name, not by `instanceof`: realms differ under Jest. */
export function isLinkRefused(error: unknown): error is LinkRefused {
  return error instanceof Error && error.name === "LinkRefused" && "closed" in error;
}
