import type { OwnedBytes } from "../../../shared/bytes/owned-bytes.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import type { CloseCode } from "../../../shared/protocol/close-codes.ts";
import type { ResponseFrame } from "../../../shared/protocol/frames/response-frame.ts";
import type { ControlPlaneMessage } from "../../../shared/protocol/messages/control-plane-messages.ts";
import type { Hello, NodeMessage } from "../../../shared/protocol/messages/node-messages.ts";
import type { TransferMessage } from "../../../shared/protocol/messages/transfer-messages.ts";
import type { Unsent } from "../../../shared/protocol/messages/envelope.ts";
import type { DataFrame, ResponseHeadFrame, TrailersFrame } from "../../../shared/protocol/frames/stream-frame.ts";
import type { NodeIdentityRow } from "./nodes.ts";

/** What a node sends on its inference channel. */
export type NodeFrame = ResponseFrame | DataFrame | ResponseHeadFrame | TrailersFrame;

/** An authenticated control channel. Envelope ids and the epoch are the channel's business. */
export interface ControlChannel {
  /** Returns the id that the message got. */
  send(message: Unsent<ControlPlaneMessage>): number;
  /** Closes politely; terminates when the peer does not answer. */
  close(code: CloseCode, reason: string): void;
  /** When a byte last arrived, in ms of the replica's clock. */
  lastByteAt(): number;
  /** Asks the peer for a byte. */
  ping(): void;
}

/** An authenticated peer that asks for a session. */
export interface ControlPeer {
  /** `10.0.0.7:51234`. */
  readonly address: string;
  /** What its proof was checked against. */
  readonly identity: NodeIdentityRow;
  readonly connect: (epoch: number) => ControlChannel;
}

export interface InferenceChannel {
  /** Messages of one request, in order. False when the socket is closed or too much waits for it: nothing was sent. */
  send(messages: readonly OwnedBytes[]): boolean;
  close(code: CloseCode, reason: string): void;
  lastByteAt(): number;
}

export interface TransferChannel {
  /** Resolves when the kernel has it, and its bytes may change again; rejects when the socket closed. */
  sendFrame(frame: Uint8Array): Promise<void>;
  close(code: CloseCode, reason: string): void;
}

/** What the websocket adapter calls. Every call about a session names the socket's own session, never a node id from a message. */
export interface NodeSessionHandler {
  /** What is needed to check a signature; null when the node is unknown. */
  identity(nodeId: string): Promise<NodeIdentityRow | null>;
  /** The same of a node whose session is open here, without a look at the database; a session ends when its node is revoked. */
  identityInSession(nodeId: string): NodeIdentityRow | undefined;
  /** A control channel whose proof held. Throws to refuse. */
  openControl(hello: Hello, nodeId: NodeId, peer: ControlPeer): Promise<ControlSession>;
  /** An inference channel whose proof held; null when `epoch` is not the present session's. */
  openInference(nodeId: NodeId, epoch: number, channel: InferenceChannel): InferenceSession | null;
  /** A transfer channel whose proof held; null when the ticket is unknown, used, expired or another node's. */
  openTransfer(nodeId: NodeId, epoch: number, ticket: string): ((channel: TransferChannel) => TransferSession) | null;
}

export interface ControlSession {
  readonly epoch: number;
  readonly welcome: Unsent<Extract<ControlPlaneMessage, { type: "welcome" }>>;
  /** After `welcome` was sent, with its id. */
  started(welcomeId: number): void;
  onMessage(message: NodeMessage): void;
  onClosed(): void;
}

export interface InferenceSession {
  onFrame(frame: NodeFrame): void;
  onClosed(): void;
}

export interface TransferSession {
  onMessage(message: TransferMessage): void;
  onClosed(): void;
}
