import type { Duplex } from "node:stream";
import type { RawData, WebSocket } from "ws";
import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { CLOSE, type CloseCode } from "../../../shared/protocol/close-codes.ts";
import { CONTROL_RATE } from "../../../shared/protocol/limits.ts";
import { nodeMessage } from "../../../shared/protocol/messages/node-messages.ts";
import type { ControlPlaneMessage } from "../../../shared/protocol/messages/control-plane-messages.ts";
import type { Unsent } from "../../../shared/protocol/messages/envelope.ts";
import { TokenBucket } from "../../../shared/flow/token-bucket.ts";
import type { ControlChannel, ControlSession } from "../../ports/nodes/channels.ts";
import { bytesOf, parseMessage } from "./parse-message.ts";
import { SocketWatch } from "./socket-watch.ts";

const UNKNOWN_PER_MINUTE = 10;

export function sendJson(webSocket: WebSocket, message: ControlPlaneMessage): void {
  if (webSocket.readyState === webSocket.OPEN) webSocket.send(JSON.stringify(message));
}

/** A control channel after its handshake: numbers what goes out, checks and counts what comes in. */
export class WebSocketControlChannel implements ControlChannel {
  readonly #webSocket: WebSocket;
  readonly #watch: SocketWatch;
  readonly #epoch: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** `challenge` was 1. */
  #lastId = 1;
  readonly #messages: TokenBucket;
  #unknownSince: number;
  #unknown = 0;

  constructor(webSocket: WebSocket, parts: { below: Duplex; epoch: number; clock: Clock; logger: Logger }) {
    this.#webSocket = webSocket;
    this.#watch = new SocketWatch(webSocket, parts);
    this.#epoch = parts.epoch;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    const now = parts.clock.now();
    this.#messages = new TokenBucket(CONTROL_RATE, now);
    this.#unknownSince = now;
  }

  send(message: Unsent<ControlPlaneMessage>): number {
    this.#lastId += 1;
    // All are small, and a node that takes none of them is silent too: the silence limit ends the socket.
    if (this.#watch.hasRoom())
      sendJson(this.#webSocket, { ...message, id: this.#lastId, epoch: this.#epoch } as ControlPlaneMessage);
    return this.#lastId;
  }

  close(code: CloseCode, reason: string): void {
    this.#watch.close(code, reason);
  }

  lastByteAt(): number {
    return this.#watch.lastByteAt();
  }

  ping(): void {
    if (this.#webSocket.readyState === this.#webSocket.OPEN) this.#webSocket.ping();
  }

  listen(session: ControlSession): void {
    this.#webSocket.on("close", () => session.onClosed());
    this.#webSocket.on("message", (data, isBinary) => {
      if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
      if (isBinary) return this.close(CLOSE.UNSUPPORTED_DATA, "the control channel carries JSON");
      if (!this.#messages.take(this.#clock.now()))
        return this.close(CLOSE.TOO_MANY_MESSAGES, `more than ${CONTROL_RATE.perSecond} messages a second`);
      this.#receive(data, session);
    });
    this.#webSocket.resume();
  }

  #receive(data: RawData, session: ControlSession): void {
    const message = parseMessage(nodeMessage, data);
    if (!message) return this.#receiveUnknown(data);
    try {
      session.onMessage(message);
    } catch (error) {
      this.#logger.error({ type: message.type, error: messageOf(error) }, "a node's message could not be handled");
      this.close(CLOSE.FAULT, "internal error");
    }
  }

  /** A type of a newer protocol gets a polite answer; broken JSON or a broken field ends the socket. */
  #receiveUnknown(data: RawData): void {
    const head = headOf(data);
    const isKnown = head !== undefined && nodeMessage.options.some((option) => option.shape.type.value === head.type);
    const now = this.#clock.now();
    if (now - this.#unknownSince > 60_000) {
      this.#unknownSince = now;
      this.#unknown = 0;
    }
    this.#unknown += 1;
    if (!head || isKnown || this.#unknown >= UNKNOWN_PER_MINUTE)
      return this.close(CLOSE.INVALID_MESSAGE, "not a message of this protocol");
    this.send({ type: "error", re: head.id, code: "UNKNOWN_TYPE" });
  }
}

function headOf(data: RawData): { readonly type: string; readonly id: number } | undefined {
  try {
    const value: unknown = JSON.parse(bytesOf(data).toString("utf8"));
    if (typeof value !== "object" || value === null || !("type" in value) || !("id" in value)) return undefined;
    const { type, id } = value;
    return typeof type === "string" && typeof id === "number" && Number.isSafeInteger(id) && id >= 0
      ? { type, id }
      : undefined;
  } catch {
    return undefined;
  }
}
