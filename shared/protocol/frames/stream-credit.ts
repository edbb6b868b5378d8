/**
 * The sender's side of one streamed body: how many bytes it may still send. The sender takes credit first; the
 * receiver grants more as it passes bytes on, so a slow reader stops this stream and no other.
 */
export class StreamCredit {
  #left: number;
  #isClosed = false;
  #wake: (() => void) | undefined;

  constructor(initialBytes: number) {
    this.#left = initialBytes;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Takes up to `bytes`, at least 1; waits while there is no credit. 0: the stream was closed. One call at a time. */
  async take(bytes: number): Promise<number> {
    while (this.#left === 0 && !this.#isClosed) await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#isClosed) return 0;
    const taken = Math.min(bytes, this.#left);
    this.#left -= taken;
    return taken;
  }

  grant(bytes: number): void {
    this.#left += bytes;
    this.#wake?.();
  }

  /** The receiver wants no more, or its socket is gone. Again does nothing. */
  close(): void {
    this.#isClosed = true;
    this.#wake?.();
  }
}
