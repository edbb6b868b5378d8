import type { Clock } from "../../../shared/base/clock.ts";
import { type Assembled, BodyAssembly, type Owned } from "../../../shared/protocol/frames/body-assembly.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import {
  decodeInferenceFrame,
  INFERENCE_FRAME,
  JSON_BODY,
  type CancelFrame,
  type InferenceFrame,
} from "../../../shared/protocol/frames/inference-frame.ts";
import type { RequestFrame } from "../../../shared/protocol/frames/request-frame.ts";
import type { ResponseFrame } from "../../../shared/protocol/frames/response-frame.ts";
import { release, own } from "../../../shared/bytes/owned-bytes.ts";
import { INFERENCE_PING_MS, INFERENCE_SILENCE_MS } from "../../../shared/protocol/limits.ts";
import type { CreditFrame, DataFrame } from "../../../shared/protocol/frames/stream-frame.ts";
import type { InferenceChannel, ChannelClosed, ResponseHead } from "../../ports/channels.ts";
import type { HostStream } from "../../ports/model-hosts.ts";
import type { QueueFigures } from "../../ports/serving.ts";
import type { NodeChannel } from "./node-channel.ts";
import { bytesOf } from "./parse-message.ts";
import { ResponseSender } from "./response-sender.ts";
import { watchSilence } from "./silence-watch.ts";

type ControlPlaneFrame = RequestFrame | DataFrame | CancelFrame | CreditFrame;

export interface InferenceHandlers {
  onRequest(frame: Owned<RequestFrame>): void;
  onCancel(requestId: number): void;
}

/** An inference channel after its handshake: puts requests together, answers those over a bound itself. */
export class WebSocketInferenceChannel implements InferenceChannel {
  readonly #socket: NodeChannel;
  readonly #bodies = new BodyAssembly<RequestFrame>();
  readonly #sender: ResponseSender;

  /** `streamsResponses`: the control plane understands streamed responses. */
  constructor(
    socket: NodeChannel,
    { clock, streamsResponses }: { readonly clock: Clock; readonly streamsResponses: boolean },
  ) {
    this.#socket = socket;
    this.#sender = new ResponseSender(socket, { streamsResponses });
    const stop = watchSilence(
      clock,
      () => socket.lastByteAt(),
      (silentMs) => {
        if (silentMs > INFERENCE_SILENCE_MS) return socket.terminate(`no byte for ${Math.round(silentMs)} ms`);
        socket.hasRoom();
        if (silentMs >= INFERENCE_PING_MS) socket.ping();
      },
    );
    void socket.closed.then(stop);
  }

  get closed(): Promise<ChannelClosed> {
    return this.#socket.closed;
  }

  respond(head: ResponseHead & Pick<ResponseFrame, "body">): Promise<void> {
    return this.#sender.respond(head);
  }

  respondInPieces(head: ResponseHead, stream: HostStream, figures: () => QueueFigures): Promise<void> {
    return this.#sender.respondInPieces(head, stream, figures);
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
      release(own(bytes));
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
        this.#sender.cancel(frame.requestId);
        return handlers.onCancel(frame.requestId);
      case INFERENCE_FRAME.CREDIT:
        return this.#sender.grant(frame.requestId, frame.bytes);
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
function refusal(requestId: number, status: 413 | 429): ResponseHead & Pick<ResponseFrame, "body"> {
  const nothing = { nodeInFlight: 0, queueUs: 0, computeUs: 0, placementInFlight: 0, meanUs: 0, p95Us: 0, slots: 0 };
  return {
    type: INFERENCE_FRAME.RESPONSE,
    requestId,
    wasNotExecuted: true,
    status,
    headerLength: JSON_BODY,
    meta: { code: status === 413 ? "TOO_LARGE" : "QUEUE_FULL" },
    body: new Uint8Array(0),
    ...nothing,
  };
}
