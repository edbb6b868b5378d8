import { applyDelta, desiredDigest, sortedDesired, type DesiredState } from "../../../shared/protocol/desired.ts";
import type { ControlPlaneMessage } from "../../../shared/protocol/messages/control-plane-messages.ts";

export interface DesiredRevision {
  readonly rev: number;
  readonly state: DesiredState;
}

export type DesiredMessage = Extract<ControlPlaneMessage, { type: "desired.snapshot" | "desired.delta" }>;

export type DesiredVerdict =
  | { readonly kind: "apply"; readonly document: DesiredRevision }
  /** It is the document we have: acknowledge again. */
  | { readonly kind: "known" }
  /** Older than ours. */
  | { readonly kind: "stale" }
  /** It does not continue ours, or does not lead to what the sender thinks: ask for a snapshot. */
  | { readonly kind: "lost" }
  /** Against the protocol: close 4400. */
  | { readonly kind: "broken"; readonly why: string };

/** A revision further ahead than this is a fault or an attack: following it would lock the node out of true ones. */
const MAX_JUMP = 1_000_000;

/** What a desired-state message means for a node that holds `current`. */
export function judgeDesired(current: DesiredRevision, message: DesiredMessage): DesiredVerdict {
  if (message.rev < current.rev) return { kind: "stale" };
  if (current.rev > 0 && message.rev - current.rev > MAX_JUMP)
    return { kind: "broken", why: `revision ${message.rev} is more than ${MAX_JUMP} ahead of ${current.rev}` };
  if (message.digest === desiredDigest(current.state)) {
    return message.rev === current.rev
      ? { kind: "known" }
      : { kind: "apply", document: { rev: message.rev, state: current.state } };
  }
  if (message.type === "desired.delta" && message.baseRev !== current.rev) return { kind: "lost" };
  const state = message.type === "desired.snapshot" ? sortedDesired(message) : applyDelta(current.state, message);
  if (desiredDigest(state) === message.digest) return { kind: "apply", document: { rev: message.rev, state } };
  // A snapshot came over an ordered, checked stream: it cannot be damaged, so its sender counted wrong.
  return message.type === "desired.snapshot"
    ? { kind: "broken", why: "the digest of the snapshot is not that of its placements" }
    : { kind: "lost" };
}
