import { readSync, writeSync } from "node:fs";

/** Behind the byte of `RunningSlot`, which may share the file. */
const FIRST_BYTE = 16;
const ID_BYTES = 4;
/** Requests that are remembered. More cancellations within one run than these are seen at the next message or deadline. */
const REMEMBERED = 1_024;

/**
 * Requests that the agent has taken back, in a file that agent and host have open. The host's end of the link blocks, so a host
 * that is in the middle of a long request cannot ask it what came; a file it can read at any time. Measured: 2 µs a look.
 */
export class CancelledRequests {
  readonly #fd: number;
  readonly #bytes = Buffer.alloc(REMEMBERED * ID_BYTES);
  #added = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Of the agent: nobody wants the answer any more. */
  add(requestId: number): void {
    const at = (this.#added % REMEMBERED) * ID_BYTES;
    this.#bytes.writeUInt32LE(requestId, at);
    writeSync(this.#fd, this.#bytes, at, ID_BYTES, FIRST_BYTE + at);
    this.#added += 1;
  }

  /** Of the host: whether the agent has taken this request back. */
  has(requestId: number): boolean {
    const bytes = readSync(this.#fd, this.#bytes, 0, this.#bytes.byteLength, FIRST_BYTE);
    for (let at = 0; at + ID_BYTES <= bytes; at += ID_BYTES)
      if (this.#bytes.readUInt32LE(at) === requestId) return true;
    return false;
  }
}
