import type { Cancellation } from "../../../shared/flow/cancellation.ts";
import type { Owned } from "../../../shared/protocol/frames/body-assembly.ts";
import type { RequestFrame } from "../../../shared/protocol/frames/request-frame.ts";
import type { ResponseFrame } from "../../../shared/protocol/frames/response-frame.ts";
import type { ResponseHeadFrame, TrailersFrame } from "../../../shared/protocol/frames/stream-frame.ts";
import type { ResponseStream } from "../../../shared/inference/response-stream.ts";
import type { InferenceChannel, NodeFrame } from "./channels.ts";
import type { Peer } from "./nodes.ts";

/** The channel to another control plane, on which requests for its nodes are sent. The other end answers as a node does. */
export interface PeerChannel extends InferenceChannel {
  /** The newest round trip, in ms. */
  readonly rttMs: number;
  /** Resolves with the reason when it is closed. */
  readonly closed: Promise<string>;
}

export interface PeerDialer {
  /** Resolves when the other control plane took our proof; throws when it cannot be reached within 10 s, or refuses. */
  dial(peer: Peer & { readonly url: string }, signal: AbortSignal): Promise<PeerChannel & PeerListening>;
}

interface PeerListening {
  /** Frames go to `onFrame` from now on; none comes before. */
  listen(onFrame: (frame: NodeFrame) => void): void;
}

/** The channel on which another control plane sends its requests. */
export interface PeerResponder {
  /** Copies the body. What waits already is sent first. */
  respond(response: Omit<ResponseFrame, "end" | "bodyLength">): Promise<void>;
  /**
   * Sends the pieces as they come, as fast as they are taken there; a request of whose answer nothing is taken for 90 s is
   * cancelled. Resolves when nothing more is to be sent.
   */
  forward(head: ResponseHeadFrame, stream: ResponseStream<TrailersFrame>): Promise<void>;
}

/** What the websocket adapter calls when another control plane dials. */
export interface PeerHandler {
  /** The public key of a control plane on the same database; undefined: there is none with this id. Rejects while PostgreSQL is away. */
  publicKeyOf(peerId: string): Promise<string | undefined>;
  /** Never rejects. `cancellation`: the caller has gone, or the channel has closed. */
  onRequest(frame: Owned<RequestFrame>, responder: PeerResponder, cancellation: Cancellation): Promise<void>;
}
