import { z } from "zod";

/** The channel between control planes: frames of the inference channel; the one that is dialled answers as a node does. */

export const PEER_PATH = "/api/v1/peer/inference";
export const PEER_SUBPROTOCOL = "skerry-peer.v1";

/**
 * Of a node's inference and transfer channels: the control plane that holds its session. Of a peer's channel: the one that
 * dials.
 */
export const REPLICA_HEADER = "skerry-replica";
/** Of a node's channel that another control plane passes on: it is passed on once at most. */
export const HOP_HEADER = "skerry-hop";

export const peerChallenge = z.strictObject({ type: z.literal("challenge"), nonce: z.string().max(128) });

/** `signature`: over `peerProofText` with the nonce of the challenge. `nonce`: for the other side to sign. */
export const peerProof = z.strictObject({
  type: z.literal("proof"),
  signature: z.string().max(128),
  nonce: z.string().max(128),
});

/** The proof held. `signature`: over `peerProofText` with the nonce of the proof. */
export const peerAttached = z.strictObject({ type: z.literal("attached"), signature: z.string().max(128) });
