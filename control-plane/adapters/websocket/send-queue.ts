import { MAX_BODIES_IN_FLIGHT_BYTES, OUTBOUND_PAUSE_BYTES } from "../../../shared/protocol/limits.ts";
import { release, type OwnedBytes } from "../../../shared/bytes/owned-bytes.ts";

/** The part of a ws socket that the queue needs. */
interface Outlet {
  readonly bufferedAmount: number;
  /** Calls `onFlushed` when the network took the message, or, with an error, when it never will. */
  send(message: Uint8Array, onFlushed: (error?: Error | null) => void): void;
}

/**
 * Requests on their way out of one socket. While the socket has room they pass at once; beyond 1 MiB in its buffer they
 * wait here, and go on as it drains, a message of each in turn, so that a small one does not wait for a large one. Owns the
 * messages, and gives their memory back when they have left.
 */
export class SendQueue {
  readonly #outlet: Outlet;
  readonly #onProgress: () => void;
  /** The rest of each request that has begun or waits to. */
  readonly #waiting: OwnedBytes[][] = [];
  #waitingBytes = 0;
  readonly #maxWaitingBytes: number;

  /** `onProgress`: called each time the network took a message. */
  constructor(outlet: Outlet, onProgress: () => void, maxWaitingBytes = MAX_BODIES_IN_FLIGHT_BYTES) {
    this.#maxWaitingBytes = maxWaitingBytes;
    this.#outlet = outlet;
    this.#onProgress = onProgress;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Takes the messages of one request; false, and none of them, when so many are waiting: by default what a node takes. */
  add(messages: readonly OwnedBytes[]): boolean {
    const bytes = messages.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (this.#waitingBytes + bytes > this.#maxWaitingBytes) return false;
    this.#waiting.push([...messages]);
    this.#waitingBytes += bytes;
    this.#pump();
    return true;
  }

  #pump(): void {
    while (this.#outlet.bufferedAmount < OUTBOUND_PAUSE_BYTES) {
      const request = this.#waiting.shift();
      const message = request?.shift();
      if (request === undefined || message === undefined) return;
      this.#waitingBytes -= message.byteLength;
      this.#outlet.send(message, (error) => {
        // After an error the system may still be reading it.
        if (!error) release(message);
        this.#onProgress();
        if (this.#waiting.length > 0) this.#pump();
      });
      if (request.length > 0) this.#waiting.push(request);
    }
  }
}
