import { z } from "zod";
import { count, id } from "./messages/envelope.ts";

/** How a node joins, over HTTP: before it has an identity, and so before any channel. */

export const NODE_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export const joinRequest = z.strictObject({
  tokenId: z.string().length(16),
  secret: z.string().length(43),
  name: z.string().regex(NODE_NAME, "1–63 lower-case letters, digits and hyphens"),
  kind: z.enum(["edge", "cloud"]),
  /** Raw Ed25519 public key, 32 bytes, base64url. */
  publicKey: z.string().length(43),
  proof: z.string().length(86),
});
export type JoinRequest = z.infer<typeof joinRequest>;

/** A pod of a Kubernetes cluster becomes a cloud node: its service account's projected token takes the place of a join token. */
export const podJoinRequest = z.strictObject({
  podToken: z.string().min(1).max(8_192),
  /** The pod's own name. */
  name: joinRequest.shape.name,
  publicKey: joinRequest.shape.publicKey,
  proof: joinRequest.shape.proof,
});
export type PodJoinRequest = z.infer<typeof podJoinRequest>;

export const joinResponse = z.object({
  nodeId: id,
  generation: count,
  cpId: id,
  kind: z.enum(["edge", "cloud"]),
  site: z.string(),
  zone: z.string(),
  urls: z.array(z.string()).min(1),
});
export type JoinResponse = z.infer<typeof joinResponse>;
