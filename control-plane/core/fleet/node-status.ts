import type { NodeState } from "../../../shared/api/v1/nodes.ts";
import type { FleetNode } from "./types.ts";

/** Two in a row, so that a node whose link works in one direction only never serves. */
export const CONFIRMED_HEARTBEATS_FOR_READY = 2;

export interface NodeTimings {
  /** Silence after which a node gets no new request, in ms. */
  readonly suspectMs: number;
  /** Silence after which its placements may move, in ms. */
  readonly lostMs: number;
}

/** Its session stands, and both directions of it have worked. Silence, which needs a clock, is left out. */
export const isBidirectional = ({ session }: FleetNode): boolean =>
  session !== undefined && session.open && session.confirmedHeartbeats >= CONFIRMED_HEARTBEATS_FOR_READY;

/** What the node is at `now` (ms, same clock as the fleet): derived, so that no timer has to fire for a node to be lost. */
export function nodeState(node: FleetNode, now: number, timings: NodeTimings): NodeState {
  if (node.revoked) return "revoked";
  const { session } = node;
  if (!session) return "pending";
  const silentMs = now - session.lastSeen;
  if (silentMs > timings.lostMs) return "lost";
  if (!session.open || silentMs > timings.suspectMs) return "suspect";
  if (isBidirectional(node)) return "ready";
  // Its first session has to prove itself; a later one follows an outage.
  return session.epoch === 1 ? "pending" : "suspect";
}
