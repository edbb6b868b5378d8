import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { Clock } from "../../../shared/clock.ts";
import { CLOSE, type CloseCode } from "../../../shared/protocol/close-codes.ts";
import { decodeInferenceFrame, INFERENCE_FRAME } from "../../../shared/protocol/inference-frame.ts";
import type { InferenceLink, InferenceSession } from "../../ports.ts";
import { bytesOf } from "./parse-message.ts";
import { SocketWatch } from "./socket-watch.ts";

/** An inference channel after its handshake: binary frames, one for each message. */
export class InferenceSocket implements InferenceLink {
  readonly #webSocket: WebSocket;
  readonly #watch: SocketWatch;

  constructor(webSocket: WebSocket, parts: { below: Duplex; clock: Clock }) {
    this.#webSocket = webSocket;
    this.#watch = new SocketWatch(webSocket, parts);
  }

  send(messages: readonly Uint8Array[]): boolean {
    if (!this.#watch.hasRoom()) return false;
    for (const message of messages) this.#webSocket.send(message);
    return true;
  }

  close(code: CloseCode, reason: string): void {
    this.#watch.close(code, reason);
  }

  lastByteAt(): number {
    return this.#watch.lastByteAt();
  }

  listen(session: InferenceSession): void {
    this.#webSocket.on("close", () => session.onClosed());
    this.#webSocket.on("message", (data, isBinary) => {
      const frame = isBinary ? decodeInferenceFrame(bytesOf(data)) : undefined;
      const isOurs = frame?.type === INFERENCE_FRAME.RESPONSE || frame?.type === INFERENCE_FRAME.DATA;
      if (isOurs) session.onFrame(frame);
      else this.close(CLOSE.INVALID_MESSAGE, "not a response frame");
    });
    this.#webSocket.resume();
  }
}
