import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { Clock } from "../../../shared/base/clock.ts";
import { CLOSE, type CloseCode } from "../../../shared/protocol/close-codes.ts";
import { STAGING_MS, TRANSFER_SILENCE_MS } from "../../../shared/protocol/limits.ts";
import { transferMessage } from "../../../shared/protocol/messages/transfer-messages.ts";
import type { TransferChannel, TransferSession } from "../../ports/nodes/channels.ts";
import { parseMessage } from "./parse-message.ts";
import { SocketWatch } from "./socket-watch.ts";

/** A transfer channel after its handshake. Ends by itself when the node grants nothing for 60 s, or does not say within 10 min what it needs. */
export class WebSocketTransferChannel implements TransferChannel {
  readonly #webSocket: WebSocket;
  readonly #watch: SocketWatch;
  readonly #clock: Clock;
  #cancelSilence: () => void = () => undefined;

  constructor(webSocket: WebSocket, parts: { below: Duplex; clock: Clock }) {
    this.#webSocket = webSocket;
    this.#watch = new SocketWatch(webSocket, parts);
    this.#clock = parts.clock;
  }

  /** Resolves when the kernel took the message: that is the back-pressure. */
  sendFrame(frame: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: Error | null): void => (error ? reject(error) : resolve());
      this.#webSocket.send(frame, done);
    });
  }

  close(code: CloseCode, reason: string): void {
    this.#watch.close(code, reason);
  }

  listen(session: TransferSession): void {
    this.#expectProgress(STAGING_MS);
    this.#webSocket.on("close", () => {
      this.#cancelSilence();
      session.onClosed();
    });
    this.#webSocket.on("message", (data, isBinary) => {
      const message = isBinary ? undefined : parseMessage(transferMessage, data);
      if (!message) return this.close(CLOSE.INVALID_MESSAGE, "not a message of the transfer channel");
      this.#expectProgress(TRANSFER_SILENCE_MS);
      session.onMessage(message);
    });
    this.#webSocket.resume();
  }

  #expectProgress(withinMs: number): void {
    this.#cancelSilence();
    this.#cancelSilence = this.#clock.after(withinMs, () => this.#webSocket.terminate());
  }
}
