import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { Clock } from "../../../../shared/base/clock.ts";
import { ChurnMap } from "../../../../shared/bytes/churn-map.ts";
import { own, type OwnedBytes, release } from "../../../../shared/bytes/owned-bytes.ts";
import { releaseSpentChunks } from "../../../../shared/bytes/spent-chunks.ts";
import { Cancellation } from "../../../../shared/flow/cancellation.ts";
import { corkForThisTurn } from "../../../../shared/flow/cork.ts";
import type { ResponseStream } from "../../../../shared/inference/response-stream.ts";
import { CLOSE, type CloseCode } from "../../../../shared/protocol/close-codes.ts";
import { type Assembled, BodyAssembly } from "../../../../shared/protocol/frames/body-assembly.ts";
import {
  decodeInferenceFrame,
  encodeMessages,
  INFERENCE_FRAME,
  JSON_BODY,
} from "../../../../shared/protocol/frames/inference-frame.ts";
import type { RequestFrame } from "../../../../shared/protocol/frames/request-frame.ts";
import type { ResponseFrame } from "../../../../shared/protocol/frames/response-frame.ts";
import type { ResponseHeadFrame, TrailersFrame } from "../../../../shared/protocol/frames/stream-frame.ts";
import { type SendPiece, StreamSender, type Trailers } from "../../../../shared/protocol/frames/stream-sender.ts";
import { INFERENCE_SILENCE_MS, MAX_MESSAGE_BYTES, STREAM_STALL_MS } from "../../../../shared/protocol/limits.ts";
import type { PeerHandler, PeerResponder } from "../../../ports/nodes/peers.ts";
import { bytesOf } from "../parse-message.ts";
import { SendQueue } from "../send-queue.ts";
import { SocketWatch } from "../socket-watch.ts";

/**
 * Within which a piece of an answer has to be taken. The other control plane cuts off a reader that takes less than 64 KiB
 * in `STREAM_STALL_MS`, and grants 128 KiB at once.
 */
const PIECE_MS = 3 * STREAM_STALL_MS;

const NO_FIGURES = {
  nodeInFlight: 0,
  placementInFlight: 0,
  queueUs: 0,
  computeUs: 0,
  meanUs: 0,
  p95Us: 0,
  slots: 0,
} as const;

/** The end of a channel between control planes that was dialled: takes requests, and answers each one as a node does. */
export class WebSocketPeerResponder implements PeerResponder {
  readonly #webSocket: WebSocket;
  readonly #below: Duplex;
  readonly #clock: Clock;
  readonly #watch: SocketWatch;
  readonly #queue: SendQueue;
  readonly #streams: StreamSender;
  readonly #bodies = new BodyAssembly<RequestFrame>();
  readonly #running = new ChurnMap<Cancellation>();

  constructor(webSocket: WebSocket, parts: { readonly below: Duplex; readonly clock: Clock }) {
    this.#webSocket = webSocket;
    this.#below = parts.below;
    this.#clock = parts.clock;
    this.#watch = new SocketWatch(webSocket, parts);
    this.#queue = new SendQueue(webSocket, () => this.#watch.madeProgress());
    this.#streams = new StreamSender({
      sendAndWait: (message) => this.#sendAndWait(message),
      closed: new Promise((resolve) => webSocket.once("close", resolve)),
    });
  }

  /** Requests go to `handler` from now on. Those under way are cancelled when the socket closes. */
  listen(handler: PeerHandler): void {
    releaseSpentChunks(this.#webSocket, { below: this.#below, messagesAreKept: false });
    const cancelWatch = this.#watchSilence();
    this.#webSocket.on("close", () => {
      cancelWatch();
      for (const [, cancellation] of this.#running.entries()) cancellation.cancel();
    });
    this.#webSocket.on("message", (data, isBinary) => {
      const bytes = bytesOf(data);
      if (!isBinary || !this.#take(bytes, handler)) this.#broken();
      release(own(bytes));
    });
    this.#webSocket.resume();
  }

  close(code: CloseCode, reason: string): void {
    this.#watch.close(code, reason);
  }

  async respond({ body, ...head }: Omit<ResponseFrame, "end" | "bodyLength">): Promise<void> {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    // Ends a socket that has taken nothing for 10 s.
    if (this.#queue.waitingBytes > 0) this.#watch.hasRoom();
    corkForThisTurn(this.#below);
    if (!this.#queue.add(encodeMessages(head, [body], MAX_MESSAGE_BYTES)))
      this.#watch.close(CLOSE.TOO_SLOW, "the other side takes nothing");
  }

  forward(head: ResponseHeadFrame, stream: ResponseStream<TrailersFrame>): Promise<void> {
    const { requestId } = head;
    return this.#streams.stream(head, (send) =>
      pieces(requestId, stream, async (offset, bytes) => {
        const cancelStall = this.#clock.after(PIECE_MS, () => this.#stalled(requestId));
        const isSent = await send(offset, bytes);
        cancelStall();
        return isSent;
      }),
    );
  }

  /** False when the bytes are not a frame in its place. */
  #take(bytes: Uint8Array, handler: PeerHandler): boolean {
    const frame = decodeInferenceFrame(bytes);
    switch (frame?.type) {
      case INFERENCE_FRAME.REQUEST:
        return !this.#running.has(frame.requestId) && this.#assembled(this.#bodies.begin(frame), handler);
      case INFERENCE_FRAME.DATA:
        return this.#assembled(this.#bodies.continue(frame), handler);
      case INFERENCE_FRAME.CANCEL:
        this.#bodies.drop(frame.requestId);
        this.#cancel(frame.requestId);
        return true;
      case INFERENCE_FRAME.CREDIT:
        this.#streams.grant(frame.requestId, frame.bytes);
        return true;
      case INFERENCE_FRAME.RESPONSE:
      case INFERENCE_FRAME.RESPONSE_HEAD:
      case INFERENCE_FRAME.TRAILERS:
      case undefined:
        return false;
    }
  }

  #assembled(assembled: Assembled<RequestFrame>, handler: PeerHandler): boolean {
    if (assembled.kind === "broken") return false;
    if (assembled.kind === "refused") {
      const { frame, status } = assembled;
      void this.respond({
        ...NO_FIGURES,
        type: INFERENCE_FRAME.RESPONSE,
        requestId: frame.requestId,
        wasNotExecuted: true,
        status,
        headerLength: JSON_BODY,
        meta: { code: status === 413 ? "TOO_LARGE" : "QUEUE_FULL" },
        body: new Uint8Array(0),
      });
    }
    if (assembled.kind === "complete") {
      const { frame } = assembled;
      const cancellation = new Cancellation();
      this.#running.set(frame.requestId, cancellation);
      void handler.onRequest(frame, this, cancellation).finally(() => this.#running.delete(frame.requestId));
    }
    return true;
  }

  #cancel(requestId: number): void {
    this.#running.get(requestId)?.cancel();
    this.#streams.cancel(requestId);
  }

  /** The other side grants nothing for an answer, or its socket takes nothing: the node must not wait for it without end. */
  #stalled(requestId: number): void {
    this.#cancel(requestId);
    if (this.#webSocket.bufferedAmount > 0) this.#watch.close(CLOSE.TOO_SLOW, "the other side takes nothing");
  }

  /** The dialling end pings every 5 s. */
  #watchSilence(): () => void {
    const silentMs = (): number => this.#clock.now() - this.#watch.lastByteAt();
    let cancel = (): void => undefined;
    const look = (): void => {
      if (silentMs() > INFERENCE_SILENCE_MS) return this.#watch.close(CLOSE.TOO_SLOW, "no byte within the limit");
      cancel = this.#clock.after(INFERENCE_SILENCE_MS - silentMs() + 1, look);
    };
    look();
    return () => cancel();
  }

  #sendAndWait(message: OwnedBytes): Promise<void> {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return Promise.resolve();
    return new Promise((resolve) =>
      this.#webSocket.send(message, (error) => {
        if (!error) release(message);
        this.#watch.madeProgress();
        resolve();
      }),
    );
  }

  #broken(): void {
    this.#watch.close(CLOSE.INVALID_MESSAGE, "not a request frame in its place");
  }
}

/** Sends a body piece by piece as its node makes it; none is read before the one ahead of it was sent. */
async function pieces(
  requestId: number,
  stream: ResponseStream<TrailersFrame>,
  send: SendPiece,
): Promise<Trailers | undefined> {
  let offset = 0;
  for (let piece = await stream.next(); piece !== undefined; piece = await stream.next()) {
    if (!(await send(offset, piece))) {
      stream.cancel();
      break;
    }
    const { byteLength } = piece;
    release(piece);
    offset += byteLength;
    stream.passed(byteLength);
  }
  const end = await stream.ended;
  const said = await stream.senderEnd;
  if (end.kind === "complete") return { ...end.trailer, requestId };
  const { code, detail } = end.kind === "failed" ? end : { code: "CANCELLED", detail: "nobody takes the answer" };
  return { ...NO_FIGURES, ...said, requestId, meta: { ...said?.meta, code, detail } };
}
