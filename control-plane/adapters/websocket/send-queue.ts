import { MAX_BODIES_IN_FLIGHT_BYTES } from "../../../shared/protocol/limits.ts";
import { release } from "../../../shared/release.ts";

/** The part of a socket that the queue needs. */
interface Outlet {
  hasRoom(): boolean;
  /** Calls `onFlushed` when the network took the message, or, with an error, when it never will. */
  send(message: Uint8Array, onFlushed: (error?: Error | null) => void): void;
}

/**
 * Requests on their way out of one socket. While the socket has room they pass at once; when it has none they wait here,
 * and go on as it drains, a message of each in turn, so that a small one does not wait for a large one. Owns the messages.
 */
export class SendQueue {
  readonly #outlet: Outlet;
  readonly #onProgress: () => void;
  /** The rest of each request that has begun or waits to. */
  readonly #waiting: Uint8Array[][] = [];
  #waitingBytes = 0;

  /** `onProgress`: called each time the network took a message. */
  constructor(outlet: Outlet, onProgress: () => void) {
    this.#outlet = outlet;
    this.#onProgress = onProgress;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Takes the messages of one request; false, and none of them, when 64 MiB are waiting already: a node takes no more either. */
  add(messages: Iterable<Uint8Array>): boolean {
    if (this.#waitingBytes >= MAX_BODIES_IN_FLIGHT_BYTES) return false;
    const rest: Uint8Array[] = [];
    for (const message of messages) {
      if (this.#waiting.length === 0 && rest.length === 0 && this.#outlet.hasRoom()) {
        this.#send(message);
      } else {
        rest.push(message);
        this.#waitingBytes += message.byteLength;
      }
    }
    if (rest.length > 0) this.#waiting.push(rest);
    return true;
  }

  #pump(): void {
    while (this.#waiting.length > 0 && this.#outlet.hasRoom()) {
      const request = this.#waiting.shift();
      const message = request?.shift();
      if (request === undefined || message === undefined) return;
      this.#waitingBytes -= message.byteLength;
      this.#send(message);
      if (request.length > 0) this.#waiting.push(request);
    }
  }

  #send(message: Uint8Array): void {
    this.#outlet.send(message, (error) => {
      // After an error the system may still be reading it.
      if (!error) release(message);
      this.#onProgress();
      this.#pump();
    });
  }
}
