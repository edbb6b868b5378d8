import { assertNever } from "../../../shared/base/assert-never.ts";
import { ResponseStream } from "../../../shared/inference/response-stream.ts";
import { type Assembled, BodyAssembly } from "../../../shared/protocol/frames/body-assembly.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { INFERENCE_FRAME } from "../../../shared/protocol/frames/inference-frame.ts";
import type { ResponseFrame } from "../../../shared/protocol/frames/response-frame.ts";
import { INITIAL_CREDIT_BYTES } from "../../../shared/protocol/limits.ts";
import {
  type DataFrame,
  encodeCredit,
  type ResponseHeadFrame,
  type TrailersFrame,
  UNKNOWN_LENGTH,
} from "../../../shared/protocol/frames/stream-frame.ts";
import { allocate } from "../../../shared/bytes/owned-bytes.ts";
import type { InferenceChannel, NodeFrame } from "../../ports/nodes/channels.ts";
import type { NodeStream, PendingRequests } from "./pending-requests.ts";

/**
 * What a node's inference channel brings, given to the requests that wait for it. A small answer is one RESPONSE frame.
 * A node without the feature `response-streams` sends larger ones in DATA frames, which are collected here; one that
 * has it sends a stream, whose pieces go on as they come.
 */
export class ResponseReceiver {
  readonly #pending: PendingRequests;
  readonly #channel: InferenceChannel;
  readonly #bodies = new BodyAssembly<ResponseFrame>();

  constructor(pending: PendingRequests, channel: InferenceChannel) {
    this.#pending = pending;
    this.#channel = channel;
  }

  /** The frame's body is copied: its message may be freed as soon as this returns. */
  onFrame(frame: NodeFrame): void {
    switch (frame.type) {
      case INFERENCE_FRAME.RESPONSE:
        return this.#assembled(this.#bodies.begin(frame));
      case INFERENCE_FRAME.RESPONSE_HEAD:
        return this.#begin(frame);
      case INFERENCE_FRAME.DATA: {
        const stream = this.#pending.streamOf(frame.requestId);
        return stream === undefined ? this.#assembled(this.#bodies.continue(frame)) : this.#piece(stream, frame);
      }
      case INFERENCE_FRAME.TRAILERS:
        return this.#end(frame);
      default:
        assertNever(frame);
    }
  }

  #assembled(assembled: Assembled<ResponseFrame>): void {
    if (assembled.kind === "complete")
      this.#pending.settle(assembled.frame.requestId, { kind: "answered", response: assembled.frame });
    else if (assembled.kind === "broken" || assembled.kind === "refused") this.#broken();
  }

  #begin(head: ResponseHeadFrame): void {
    const { requestId, bodyLength } = head;
    if (this.#pending.streamOf(requestId) !== undefined) return this.#broken();
    const stream: NodeStream = new ResponseStream<TrailersFrame>({
      length: bodyLength === UNKNOWN_LENGTH ? undefined : bodyLength,
      windowBytes: INITIAL_CREDIT_BYTES,
      grant: (bytes) => this.#channel.send([encodeCredit(requestId, bytes)]),
    });
    this.#pending.stream(requestId, head, stream);
  }

  #piece(stream: NodeStream, { body, offset }: DataFrame): void {
    if (offset !== stream.receivedBytes % 2 ** 32) return this.#broken();
    const piece = allocate(body.byteLength);
    piece.set(body);
    if (!stream.push(piece)) this.#broken();
  }

  #end(trailers: TrailersFrame): void {
    const { requestId, meta } = trailers;
    const stream = this.#pending.streamEnded(requestId);
    if (meta.code === undefined) stream?.finish(trailers);
    else stream?.fail(meta.code, meta.detail ?? "the node could not finish its answer", trailers);
  }

  #broken(): void {
    this.#channel.close(CLOSE.INVALID_MESSAGE, "a response broke the framing or its bounds");
  }
}
