/** Bytes of one body that count until it is answered. */
export interface HeldBytes {
  /** Counts bytes that arrived; false when the process holds as many as it may. */
  readonly take: (bytes: number) => boolean;
  /** Frees them. Once. */
  readonly leave: () => void;
}

/**
 * A hard bound on the bytes that all bodies under way hold together. Bytes count when they arrive: if a declared length
 * counted, a few callers that send nothing could keep all others out.
 */
export class ByteBudget {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  enter(): HeldBytes {
    let held = 0;
    return {
      take: (bytes) => {
        if (this.#bytes + bytes > this.#maxBytes) return false;
        this.#bytes += bytes;
        held += bytes;
        return true;
      },
      leave: () => {
        this.#bytes -= held;
      },
    };
  }
}
