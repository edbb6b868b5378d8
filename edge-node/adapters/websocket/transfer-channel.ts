import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import type { TransferMessage } from "../../../shared/protocol/messages/transfer-messages.ts";
import { decodeTransferFrame, type TransferFrame } from "../../../shared/protocol/frames/transfer-frame.ts";
import type { ChannelClosed, TransferChannel } from "../../ports/channels.ts";
import type { NodeChannel } from "./node-channel.ts";
import { bytesOf } from "./parse-message.ts";

/** Frames that may wait for their turn before the socket is not read any more. One, so that reading goes on beside writing. */
const WAITING_FRAMES = 1;

/** A transfer channel after its handshake. Frames are handed over one at a time; meanwhile the socket pauses. */
export class WebSocketTransferChannel implements TransferChannel {
  readonly #socket: NodeChannel;
  readonly #waiting: TransferFrame[] = [];
  #isHandling = false;

  constructor(socket: NodeChannel) {
    this.#socket = socket;
  }

  get closed(): Promise<ChannelClosed> {
    return this.#socket.closed;
  }

  send(message: TransferMessage): void {
    this.#socket.hasRoom();
    this.#socket.send(JSON.stringify(message));
  }

  close(code: number, reason: string): void {
    this.#waiting.length = 0;
    this.#socket.close(code, reason);
  }

  listen(onFrame: (frame: TransferFrame) => Promise<void>): void {
    this.#socket.listen((data, isBinary) => {
      if (!this.#socket.isOpen) return;
      const frame = isBinary ? decodeTransferFrame(bytesOf(data)) : undefined;
      if (!frame) return this.close(CLOSE.INVALID_MESSAGE, "not a frame of the transfer channel");
      this.#waiting.push(frame);
      if (this.#waiting.length > WAITING_FRAMES) this.#socket.pause();
      if (!this.#isHandling) void this.#handle(onFrame);
    });
  }

  async #handle(onFrame: (frame: TransferFrame) => Promise<void>): Promise<void> {
    this.#isHandling = true;
    for (let frame = this.#waiting.shift(); frame; frame = this.#waiting.shift()) {
      await onFrame(frame).catch(() => this.close(CLOSE.FAULT, "the frame could not be handled"));
      if (this.#waiting.length <= WAITING_FRAMES && this.#socket.isOpen) this.#socket.resume();
    }
    this.#isHandling = false;
  }
}
