import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { Clock } from "../../../shared/base/clock.ts";
import { corkForThisTurn } from "../../../shared/flow/cork.ts";
import { CLOSE, type CloseCode } from "../../../shared/protocol/close-codes.ts";
import {
  decodeInferenceFrame,
  INFERENCE_FRAME,
  type InferenceFrame,
} from "../../../shared/protocol/frames/inference-frame.ts";
import { release, own, type OwnedBytes } from "../../../shared/bytes/owned-bytes.ts";
import { releaseSpentChunks } from "../../../shared/bytes/spent-chunks.ts";
import type { InferenceChannel, InferenceSession, NodeFrame } from "../../ports/nodes/channels.ts";
import { bytesOf } from "./parse-message.ts";
import { SendQueue } from "./send-queue.ts";
import { SocketWatch } from "./socket-watch.ts";

/** An inference channel after its handshake: binary frames, one for each message. */
export class WebSocketInferenceChannel implements InferenceChannel {
  readonly #webSocket: WebSocket;
  readonly #below: Duplex;
  readonly #watch: SocketWatch;
  readonly #queue: SendQueue;

  constructor(webSocket: WebSocket, parts: { below: Duplex; clock: Clock }) {
    this.#webSocket = webSocket;
    this.#below = parts.below;
    this.#watch = new SocketWatch(webSocket, parts);
    this.#queue = new SendQueue(webSocket, () => this.#watch.madeProgress());
  }

  send(messages: readonly OwnedBytes[]): boolean {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return false;
    // Ends a socket that has taken nothing for 10 s.
    if (this.#queue.waitingBytes > 0) this.#watch.hasRoom();
    corkForThisTurn(this.#below);
    return this.#queue.add(messages);
  }

  close(code: CloseCode, reason: string): void {
    this.#watch.close(code, reason);
  }

  lastByteAt(): number {
    return this.#watch.lastByteAt();
  }

  listen(session: InferenceSession): void {
    releaseSpentChunks(this.#webSocket, { below: this.#below, messagesAreKept: false });
    this.#webSocket.on("close", () => session.onClosed());
    this.#webSocket.on("message", (data, isBinary) => {
      const bytes = bytesOf(data);
      const frame = isBinary ? decodeInferenceFrame(bytes) : undefined;
      if (frame === undefined || !isFromNode(frame)) return this.close(CLOSE.INVALID_MESSAGE, "not a response frame");
      session.onFrame(frame);
      release(own(bytes));
    });
    this.#webSocket.resume();
  }
}

const isFromNode = (frame: InferenceFrame): frame is NodeFrame =>
  frame.type !== INFERENCE_FRAME.REQUEST &&
  frame.type !== INFERENCE_FRAME.CANCEL &&
  frame.type !== INFERENCE_FRAME.CREDIT;
