import type { Clock } from "../../../shared/base/clock.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { CONTROL_PACE } from "../../../shared/protocol/limits.ts";
import type { ControlPlaneMessage, Welcome } from "../../../shared/protocol/messages/control-plane-messages.ts";
import type { NodeMessage } from "../../../shared/protocol/messages/node-messages.ts";
import type { Unsent } from "../../../shared/protocol/messages/envelope.ts";
import { TokenBucket } from "../../../shared/flow/token-bucket.ts";
import type { ControlChannel, ChannelClosed } from "../../ports/channels.ts";
import type { NodeChannel } from "./node-channel.ts";
import { parseMessage } from "./parse-message.ts";
import { watchSilence } from "./silence-watch.ts";

/** Messages that are left for heartbeats and load: a node whose pulse waits behind its answers would be called silent. */
const FOR_PULSE = 5;
/** Messages that wait for their turn. Nearly all are answers that the control plane waits for before it asks again. */
const MAX_WAITING = 256;
/** A control channel that is silent so long ends even while another channel is busy. */
const OWN_SILENCE_MS = 60_000;

interface Parts {
  readonly welcome: Welcome;
  readonly clock: Clock;
  /** Newest time at which a byte came on any of the node's sockets. */
  readonly lastByteOnAny: () => number;
}

/** A control channel after its handshake: numbers and paces what goes out, checks what comes in, notices silence. */
export class WebSocketControlChannel implements ControlChannel {
  readonly welcome: Welcome;
  readonly #socket: NodeChannel;
  readonly #epoch: number;
  readonly #clock: Clock;
  readonly #pace: TokenBucket;
  readonly #waiting: Unsent<NodeMessage>[] = [];
  #cancelTurn: () => void = () => undefined;
  /** `hello` was 1. */
  #lastId = 1;

  constructor(socket: NodeChannel, { welcome, clock, lastByteOnAny }: Parts) {
    this.#socket = socket;
    this.#clock = clock;
    this.#pace = new TokenBucket(CONTROL_PACE, clock.now());
    this.welcome = welcome;
    this.#epoch = welcome.epoch ?? 0;
    const { suspectMs } = welcome;
    const stops = [
      // terminate, not close: a peer that cannot be heard will not answer a close either.
      watchSilence(clock, lastByteOnAny, (silentMs) => {
        if (silentMs > suspectMs) socket.terminate(`no byte for ${Math.round(silentMs)} ms`);
        else socket.hasRoom();
      }),
      watchSilence(
        clock,
        () => socket.lastByteAt(),
        (silentMs) => {
          if (silentMs > OWN_SILENCE_MS)
            socket.terminate(`no byte on the control channel for ${Math.round(silentMs)} ms`);
        },
      ),
      () => this.#cancelTurn(),
    ];
    void socket.closed.then(() => stops.forEach((stop) => stop()));
  }

  get closed(): Promise<ChannelClosed> {
    return this.#socket.closed;
  }

  send(message: Unsent<NodeMessage>): number {
    const isPulse = message.type === "heartbeat" || message.type === "load";
    // Also notices a peer that takes nothing: the rest is small, and ends with the socket at 4 MiB.
    if (!this.#socket.hasRoom() && isPulse) return 0;
    if (isPulse || this.waitMs() === 0) return this.#sendNow(message);
    this.#waiting.push(message);
    if (this.#waiting.length > MAX_WAITING) this.#socket.terminate("too many messages wait for their turn");
    else if (this.#waiting.length === 1) this.#sendInTurn();
    return 0;
  }

  waitMs(): number {
    return Math.max(this.#turnMs(), this.#waiting.length > 0 ? 1 : 0);
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  lastByteAt(): number {
    return this.#socket.lastByteAt();
  }

  listen(onMessage: (message: ControlPlaneMessage) => void): void {
    this.#socket.listen((data, isBinary) => {
      if (!this.#socket.isOpen) return;
      if (isBinary) return this.close(CLOSE.UNSUPPORTED_DATA, "the control channel carries JSON");
      const parsed = parseMessage(data);
      if (parsed.kind === "broken") return this.close(CLOSE.INVALID_MESSAGE, "not a message of this protocol");
      if (parsed.kind === "unknown") return;
      const { epoch = this.#epoch } = parsed.message;
      if (epoch === this.#epoch) onMessage(parsed.message);
    });
  }

  #turnMs(): number {
    return this.#pace.waitMs(this.#clock.now(), FOR_PULSE + 1);
  }

  #sendInTurn(): void {
    this.#cancelTurn = this.#clock.after(this.#turnMs(), () => {
      const next = this.#waiting.shift();
      if (next) this.#sendNow(next);
      if (this.#waiting.length > 0) this.#sendInTurn();
    });
  }

  #sendNow(message: Unsent<NodeMessage>): number {
    this.#pace.overdraw(this.#clock.now());
    this.#lastId += 1;
    this.#socket.send(JSON.stringify({ ...message, id: this.#lastId, epoch: this.#epoch }));
    return this.#lastId;
  }
}
