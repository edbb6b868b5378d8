import type { Owned } from "../../shared/protocol/frames/body-assembly.ts";
import type { RequestFrame } from "../../shared/protocol/frames/request-frame.ts";
import type { ResponseFrame } from "../../shared/protocol/frames/response-frame.ts";
import type { Attach, NodeMessage } from "../../shared/protocol/messages/node-messages.ts";
import type { Capabilities } from "../../shared/protocol/messages/capabilities.ts";
import type { ControlPlaneMessage } from "../../shared/protocol/messages/control-plane-messages.ts";
import type { TransferMessage } from "../../shared/protocol/messages/transfer-messages.ts";
import type { Unsent } from "../../shared/protocol/messages/envelope.ts";
import type { TransferFrame } from "../../shared/protocol/frames/transfer-frame.ts";
import type { HostStream } from "./model-hosts.ts";
import type { QueueFigures } from "./serving.ts";

export interface ChannelClosed {
  readonly code: number;
  readonly reason: string;
  /** From `Retry-After` when the upgrade was refused, else 0. */
  readonly retryAfterMs: number;
}

/** What a dialer throws. Recognised by `name`. */
export interface ChannelRefused extends Error {
  readonly name: "ChannelRefused";
  readonly closed: ChannelClosed;
}

/** An authenticated control channel. Envelope ids and the epoch are the channel's business. */
export interface ControlChannel {
  readonly welcome: Extract<ControlPlaneMessage, { type: "welcome" }>;
  /**
   * Returns the message's id; 0 when it waits for its turn, as a node may say only so much in a second, or when it was a
   * heartbeat or load and the socket is stalled: then it was dropped.
   */
  send(message: Unsent<NodeMessage>): number;
  /** How long a message would have to wait for its turn, in ms: who has a level to tell, tells what is newest then. */
  waitMs(): number;
  close(code: number, reason: string): void;
  readonly closed: Promise<ChannelClosed>;
  /** Milliseconds (of the node's clock) at which a byte last arrived. */
  lastByteAt(): number;
}

/** A response without its body. */
export type ResponseHead = Omit<ResponseFrame, "end" | "bodyLength" | "body">;

export interface InferenceChannel {
  /** Sends a response of any size in frames; resolves when the socket took it, or nobody wants it any more. */
  respond(head: ResponseHead & Pick<ResponseFrame, "body">): Promise<void>;
  /**
   * Sends a response as its pieces come, as fast as they are taken there. `figures`: those of its end. Resolves when all of it
   * is out, or nobody wants it any more: then the stream is cancelled.
   */
  respondInPieces(head: ResponseHead, stream: HostStream, figures: () => QueueFigures): Promise<void>;
  close(code: number, reason: string): void;
  readonly closed: Promise<ChannelClosed>;
}

export interface TransferChannel {
  send(message: TransferMessage): void;
  close(code: number, reason: string): void;
  readonly closed: Promise<ChannelClosed>;
}

/** Which session a channel belongs to, and where it is. */
export interface SessionAddress {
  readonly epoch: number;
  readonly replica: string;
  /** Where that control plane itself is dialled; tried before the URL that may lead to any. */
  readonly url: string | undefined;
}

/** Dials the control plane; every dial upgrades, answers the challenge and resolves when authenticated, else throws `ChannelRefused`. */
export interface Dialer {
  /** The next control dial goes to the next URL: the control plane that was dialled last is about to stop. */
  tryNextUrl(): void;
  control(
    hello: {
      epoch: number;
      capabilities: Capabilities;
      bootId: string;
      desired: { rev: number; digest: string };
      placements: Extract<NodeMessage, { type: "hello" }>["placements"];
    },
    onMessage: (message: ControlPlaneMessage) => void,
    signal: AbortSignal,
  ): Promise<ControlChannel>;
  inference(
    session: SessionAddress & {
      /** Whether large responses go out as streams: the control plane has the feature too. */
      streamsResponses: boolean;
    },
    handlers: { onRequest(frame: Owned<RequestFrame>): void; onCancel(requestId: number): void },
    signal: AbortSignal,
  ): Promise<InferenceChannel>;
  /** Frames are handed over one at a time: the next is read from the socket when the promise has resolved. */
  transfer(
    session: SessionAddress & { ticket: NonNullable<Attach["ticket"]> },
    onFrame: (frame: TransferFrame) => Promise<void>,
    signal: AbortSignal,
  ): Promise<TransferChannel>;
}
