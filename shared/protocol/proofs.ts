import type { Channel } from "./limits.ts";

/** What a joining node signs: it holds the key, knows the secret, and wants this name. `secretHashHex` is hex SHA-256(secret). */
export const joinProofText = (join: {
  tokenId: string;
  secretHashHex: string;
  publicKey: string;
  name: string;
}): string => `skerry-join-v1\n${join.tokenId}\n${join.secretHashHex}\n${join.publicKey}\n${join.name}`;

/** What a joining pod signs: it holds the key and the token, and wants this name. `tokenHashHex` is hex SHA-256(token). */
export const podJoinProofText = (join: { tokenHashHex: string; publicKey: string; name: string }): string =>
  `skerry-join-pod-v1\n${join.tokenHashHex}\n${join.publicKey}\n${join.name}`;

/** What a node signs on every socket; the nonce makes it worthless on any other. */
export const sessionProofText = (proof: {
  cpId: string;
  channel: Channel;
  nodeId: string;
  generation: number;
  nonce: string;
}): string =>
  `skerry-node-auth-v1\n${proof.cpId}\n${proof.channel}\n${proof.nodeId}\n${proof.generation}\n${proof.nonce}`;

/** What both keys of a node sign when one takes the place of the other. */
export const keyRotationText = (rotation: { nodeId: string; generation: number; publicKey: string }): string =>
  `skerry-key-v1\n${rotation.nodeId}\n${rotation.generation}\n${rotation.publicKey}`;

/**
 * What two control planes sign for each other, each over the nonce of the other: worthless on any other socket, at any other
 * control plane, and in place of the other side's. `from` has dialled `to`.
 */
export const peerProofText = (proof: {
  side: "dials" | "answers";
  cpId: string;
  from: string;
  to: string;
  nonce: string;
}): string => `skerry-peer-auth-v1\n${proof.side}\n${proof.cpId}\n${proof.from}\n${proof.to}\n${proof.nonce}`;

export interface JoinToken {
  readonly pin: string;
  readonly keySetHash: string;
  readonly id: string;
  readonly secret: string;
}

/** The one line that an operator pastes: `skj1.<pin>.<keySetHash>.<id>.<secret>`. */
export const formatJoinToken = (token: JoinToken): string =>
  `skj1.${token.pin}.${token.keySetHash}.${token.id}.${token.secret}`;

/** The parts of a pasted token, or `undefined` when it is not one. */
export function parseJoinToken(text: string): JoinToken | undefined {
  const match = /^skj1\.([A-Za-z0-9_-]{1,43})\.([A-Za-z0-9_-]{1,43})\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{43})$/.exec(
    text.trim(),
  );
  if (!match) return undefined;
  const [, pin = "", keySetHash = "", id = "", secret = ""] = match;
  return { pin, keySetHash, id, secret };
}
