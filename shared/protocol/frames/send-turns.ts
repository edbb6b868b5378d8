/**
 * Bounds how many frames of large responses wait in one socket, and lets their responses take turns. Several, so that a
 * response alone need not wait for the system after each frame; few, so that a small response waits behind little, and
 * a hundred large ones over a slow channel are not taken for a socket that is stalled.
 */
export class SendTurns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(frames: number) {
    this.#free = frames;
  }

  /** Resolves when a frame may be sent; first come, first served. */
  async take(): Promise<void> {
    if (this.#free === 0) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#free -= 1;
  }

  /** The system took the frame, or the socket is gone. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
