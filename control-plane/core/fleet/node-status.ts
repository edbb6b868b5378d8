import type { NodeState } from "../../../shared/api/v1/nodes/nodes.ts";
import type { FleetNode, FleetSession } from "./types.ts";

/** Two in a row, so that a node whose link works in one direction only never serves. */
export const CONFIRMED_HEARTBEATS_FOR_READY = 2;

/** A replica records every 5 s that it lives. One that missed three of these is dead, or cut off from the database. */
export const OWNER_GONE_MS = 16_000;

export interface NodeTimings {
  /** Silence after which a node gets no new request, in ms. */
  readonly suspectMs: number;
  /** Silence after which its placements may move, in ms. */
  readonly lostMs: number;
}

/** Its session is open, and both directions of it have worked. Silence, which needs a clock, is left out. */
export function isBidirectional({ session, observed }: FleetNode): boolean {
  if (!session?.open) return false;
  return observed ? observed.confirmedHeartbeats >= CONFIRMED_HEARTBEATS_FOR_READY : session.isReady;
}

/**
 * When the node was last heard; undefined before its first session. While a session is open its owner vouches for it: an
 * owner that lives closes the sessions of nodes that fell silent.
 */
export function lastHeard({ session, observed }: FleetNode): number | undefined {
  if (!session) return undefined;
  if (observed) return observed.lastSeen;
  return session.open ? Math.max(session.lastSeen, session.ownerSeen ?? 0) : session.lastSeen;
}

/**
 * What the node is at `now` (ms, same clock as the fleet): derived, so that no timer has to fire for a node to be lost.
 * A node of this replica is judged by what was observed, a node of another one by what that one recorded.
 */
export function nodeState(node: FleetNode, now: number, timings: NodeTimings): NodeState {
  if (node.revoked) return "revoked";
  if (node.waiting) return "waiting";
  const { session } = node;
  const heardAt = lastHeard(node);
  if (!session || heardAt === undefined) return "pending";
  const silentMs = now - heardAt;
  if (silentMs > timings.lostMs) return "lost";
  if (isOrphaned(node, session, now)) return "detached";
  if (!session.open || isSilent(node, silentMs, timings)) return "suspect";
  if (isBidirectional(node)) return "ready";
  // Its first session has to prove itself; a later one follows an outage.
  return session.epoch === 1 ? "pending" : "suspect";
}

/** The replica that holds its session is dead: the node is looking for another one. */
export const isOrphaned = ({ observed }: FleetNode, { open, ownerSeen }: FleetSession, now: number): boolean =>
  open && observed === undefined && (ownerSeen === undefined || now - ownerSeen > OWNER_GONE_MS);

/** The silence of another replica's node is judged by that replica. */
const isSilent = ({ observed }: FleetNode, silentMs: number, { suspectMs }: NodeTimings): boolean =>
  observed !== undefined && silentMs > suspectMs;
