import type { JoinRequest, JoinResponse, PodJoinRequest } from "../../shared/protocol/join-messages.ts";

/** Who this node is. The private key never leaves its file (mode 0600). */
export interface NodeIdentity {
  readonly nodeId: string;
  readonly name: string;
  readonly kind: "edge" | "cloud";
  readonly site: string;
  readonly zone: string;
  readonly generation: number;
  readonly cpId: string;
  /** Control planes to dial, `ws://` or `wss://`, best first. */
  readonly urls: readonly string[];
  /** SHA-256 of the key of a certificate in the control plane's chain, base64url; `none`: loopback only. */
  readonly pin: string;
  /** Raw Ed25519 public key, base64url. */
  readonly publicKey: string;
  /** Of the token that it joined with; undefined when an older agent joined. */
  readonly tokenId: string | undefined;
  /** The control plane has said that this identity is void for good. */
  readonly isRemoved: boolean;
  /** Signs UTF-8 text; base64url. */
  sign(text: string): string;
}

/** A key pair before its node has a name. */
export type NodeKey = Pick<NodeIdentity, "publicKey" | "sign">;

/** Replaces the key of a node that runs. The next key is on the disk before anybody hears of it. */
export interface RotatingKeys {
  /** Whether there is a next key, which may be recorded at the control plane or not. */
  readonly hasNext: boolean;
  /** Whether proofs are signed by the next key now. */
  readonly signsWithNext: boolean;
  /** Whether they are signed by the key before the present one. */
  readonly signsWithPrevious: boolean;
  /** The next key, made once. */
  next(): Promise<NodeKey>;
  /** The next key becomes the present one, durably. The one before it is kept until the next time. */
  adoptNext(): Promise<void>;
  /** The key before becomes the present one again, durably, and what was that the next one, unless there is a next one. */
  returnToPrevious(): Promise<void>;
  /**
   * From now on another one of the keys signs proofs, in turn: the present one, the next, the one before. False when that is
   * the present one again: all have been tried.
   */
  signWithOther(): boolean;
}

export interface IdentityStore {
  /** Null before the first join. Throws when the files are there but damaged: a new identity would be another node. */
  load(): Promise<NodeIdentity | null>;
  /**
   * The key to join with: made once and durable, so that a join whose answer was lost is repeated with the same key. Where
   * there is an identity it is another key than that one's, which stays as it is.
   */
  joinKey(): Promise<NodeKey>;
  /**
   * Keeps what the control plane answered, durably. An identity that was there before is set aside with its key and with what
   * its control plane said; models stay. Until this call it is whole, and after a crash in it the new one is.
   */
  store(
    joined: JoinResponse,
    details: { readonly name: string; readonly pin: string; readonly tokenId: string | undefined },
  ): Promise<NodeIdentity>;
  /** The identity is void: remembered, durably. */
  markRemoved(): Promise<void>;
}

/** The control plane's answer to one attempt to join. */
export type JoinOutcome =
  | { readonly kind: "joined"; readonly response: JoinResponse }
  /** 401, 409, 422: the same request will never be accepted. */
  | { readonly kind: "refused"; readonly code: string; readonly detail: string }
  /** The network, 429, 5xx: worth another attempt. */
  | { readonly kind: "unavailable"; readonly detail: string; readonly retryAfterMs: number };

export interface JoinClient {
  /** Sends one request of a machine with a join token, or of a pod. Never throws. */
  join(request: JoinRequest | PodJoinRequest, signal: AbortSignal): Promise<JoinOutcome>;
}
