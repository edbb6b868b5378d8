import type { Clock } from "../../../shared/clock.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import type { ControlPlaneMessage, NodeMessage, Unsent, Welcome } from "../../../shared/protocol/messages.ts";
import type { ControlLink, LinkClosed } from "../../ports.ts";
import type { NodeSocket } from "./node-socket.ts";
import { parseMessage } from "./parse-message.ts";
import { watchSilence } from "./silence-watch.ts";

/** A control channel that is silent so long ends even while another channel is busy. */
const OWN_SILENCE_MS = 60_000;

interface Parts {
  readonly welcome: Welcome;
  readonly clock: Clock;
  /** Newest time at which a byte came on any of the node's sockets. */
  readonly lastByteOnAny: () => number;
}

/** A control channel after its handshake: numbers what goes out, checks what comes in, notices silence. */
export class ControlChannel implements ControlLink {
  readonly welcome: Welcome;
  readonly #socket: NodeSocket;
  readonly #epoch: number;
  /** `hello` was 1. */
  #lastId = 1;

  constructor(socket: NodeSocket, { welcome, clock, lastByteOnAny }: Parts) {
    this.#socket = socket;
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
    ];
    void socket.closed.then(() => stops.forEach((stop) => stop()));
  }

  get closed(): Promise<LinkClosed> {
    return this.#socket.closed;
  }

  send(message: Unsent<NodeMessage>): number {
    const isLevel = message.type === "heartbeat" || message.type === "load";
    // Also notices a peer that takes nothing: the rest is small, and ends with the socket at 4 MiB.
    if (!this.#socket.hasRoom() && isLevel) return 0;
    this.#lastId += 1;
    this.#socket.send(JSON.stringify({ ...message, id: this.#lastId, epoch: this.#epoch }));
    return this.#lastId;
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
}
