import { ChurnMap } from "../../../shared/base/churn-map.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { type Assembled, BodyAssembly } from "../../../shared/protocol/body-assembly.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import {
  decodeInferenceFrame,
  encodeMessages,
  INFERENCE_FRAME,
  JSON_BODY,
  type CancelFrame,
  type InferenceFrame,
  type RequestFrame,
  type ResponseFrame,
} from "../../../shared/protocol/inference-frame.ts";
import { release } from "../../../shared/bytes/release.ts";
import {
  INFERENCE_PING_MS,
  INFERENCE_SILENCE_MS,
  INITIAL_CREDIT_BYTES,
  MAX_MESSAGE_BYTES,
} from "../../../shared/protocol/limits.ts";
import { StreamCredit } from "../../../shared/protocol/stream-credit.ts";
import {
  type CreditFrame,
  DATA_HEADER,
  type DataFrame,
  encodeResponseHead,
  encodeStreamData,
  encodeTrailers,
} from "../../../shared/protocol/stream-frame.ts";
import type { InferenceLink, LinkClosed } from "../../ports/links.ts";
import type { NodeSocket } from "./node-socket.ts";
import { bytesOf } from "./parse-message.ts";
import { watchSilence } from "./silence-watch.ts";

/** Bytes of a body in one DATA frame; a response that is no longer needs no stream. */
const STREAMED_BYTES = MAX_MESSAGE_BYTES - DATA_HEADER;

type ControlPlaneFrame = RequestFrame | DataFrame | CancelFrame | CreditFrame;

export interface InferenceHandlers {
  onRequest(frame: RequestFrame): void;
  onCancel(requestId: number): void;
}

/** An inference channel after its handshake: puts requests together, answers those over a bound itself. */
export class InferenceSocket implements InferenceLink {
  readonly #socket: NodeSocket;
  readonly #bodies = new BodyAssembly<RequestFrame>();
  readonly #streamsResponses: boolean;
  readonly #streams = new ChurnMap<StreamCredit>();

  /** `streamsResponses`: the control plane understands streamed responses. */
  constructor(
    socket: NodeSocket,
    { clock, streamsResponses }: { readonly clock: Clock; readonly streamsResponses: boolean },
  ) {
    this.#socket = socket;
    this.#streamsResponses = streamsResponses;
    const stop = watchSilence(
      clock,
      () => socket.lastByteAt(),
      (silentMs) => {
        if (silentMs > INFERENCE_SILENCE_MS) return socket.terminate(`no byte for ${Math.round(silentMs)} ms`);
        socket.hasRoom();
        if (silentMs >= INFERENCE_PING_MS) socket.ping();
      },
    );
    void socket.closed.then(() => {
      stop();
      for (const [, credit] of this.#streams.entries()) credit.close();
    });
  }

  get closed(): Promise<LinkClosed> {
    return this.#socket.closed;
  }

  /**
   * One frame when it fits. A larger response goes out frame by frame, so that small ones pass between the parts of it: as
   * a stream within the credit of its request, or to an older control plane in DATA frames without bounds.
   */
  async respond(head: Omit<ResponseFrame, "end" | "bodyLength">): Promise<void> {
    if (this.#streamsResponses && head.body.byteLength > STREAMED_BYTES) return this.#stream(head);
    const messages = encodeMessages(head, [head.body], MAX_MESSAGE_BYTES);
    const [only] = messages;
    if (only && messages.length === 1 && this.#socket.hasRoom()) return this.#socket.send(only);
    for (const message of messages) await this.#socket.sendAndWait(message);
  }

  async #stream({ body, ...head }: Omit<ResponseFrame, "end" | "bodyLength">): Promise<void> {
    const { requestId } = head;
    const credit = new StreamCredit(INITIAL_CREDIT_BYTES);
    this.#streams.set(requestId, credit);
    try {
      await this.#socket.sendAndWait(encodeResponseHead({ ...head, bodyLength: body.byteLength }));
      for (let offset = 0; offset < body.byteLength;) {
        const taken = await credit.take(Math.min(STREAMED_BYTES, body.byteLength - offset));
        if (taken === 0) return; // nobody reads it any more
        await this.#socket.sendAndWait(encodeStreamData(requestId, offset, body.subarray(offset, offset + taken)));
        offset += taken;
      }
      await this.#socket.sendAndWait(encodeTrailers({ ...head, meta: {} }));
    } finally {
      this.#streams.delete(requestId);
    }
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  listen(handlers: InferenceHandlers): void {
    this.#socket.listen((data, isBinary) => {
      if (!this.#socket.isOpen) return;
      const bytes = bytesOf(data);
      const frame = isBinary ? decodeInferenceFrame(bytes) : undefined;
      if (!frame || !isFromControlPlane(frame)) return this.#broken();
      this.#take(frame, handlers);
      release(bytes);
    });
  }

  #take(frame: ControlPlaneFrame, handlers: InferenceHandlers): void {
    switch (frame.type) {
      case INFERENCE_FRAME.REQUEST:
        return this.#assembled(this.#bodies.begin(frame), handlers);
      case INFERENCE_FRAME.DATA:
        return this.#assembled(this.#bodies.continue(frame), handlers);
      case INFERENCE_FRAME.CANCEL:
        this.#bodies.drop(frame.requestId);
        this.#streams.get(frame.requestId)?.close();
        return handlers.onCancel(frame.requestId);
      case INFERENCE_FRAME.CREDIT:
        return this.#streams.get(frame.requestId)?.grant(frame.bytes);
    }
  }

  #assembled(assembled: Assembled<RequestFrame>, handlers: InferenceHandlers): void {
    switch (assembled.kind) {
      case "complete":
        return handlers.onRequest(assembled.frame);
      case "refused":
        return void this.respond(refusal(assembled.frame.requestId, assembled.status));
      case "broken":
        return this.#broken();
      case "partial":
      case "ignored":
        return;
    }
  }

  #broken(): void {
    this.close(CLOSE.INVALID_MESSAGE, "not a request frame in its place");
  }
}

const isFromControlPlane = (frame: InferenceFrame): frame is ControlPlaneFrame =>
  frame.type !== INFERENCE_FRAME.RESPONSE &&
  frame.type !== INFERENCE_FRAME.RESPONSE_HEAD &&
  frame.type !== INFERENCE_FRAME.TRAILERS;

/** Over a bound before any model saw it. */
function refusal(requestId: number, status: 413 | 429): Omit<ResponseFrame, "end" | "bodyLength"> {
  const nothing = { nodeRif: 0, queueUs: 0, computeUs: 0, placementRif: 0, meanUs: 0, p95Us: 0, slots: 0 };
  return {
    type: INFERENCE_FRAME.RESPONSE,
    requestId,
    notStarted: true,
    status,
    headerLength: JSON_BODY,
    meta: { code: status === 413 ? "TOO_LARGE" : "QUEUE_FULL" },
    body: new Uint8Array(0),
    ...nothing,
  };
}
