/** A time is looked at in so many parts: the bytes of a part are free again together. */
const PARTS = 60;

/**
 * Bytes that may be sent within a time. In no span of that length are more taken, wherever it begins; for that the bytes of
 * a part count a little longer than the span. Instants in ms.
 */
export class UploadBudget {
  readonly bytes: number;
  readonly seconds: number;
  readonly #partMs: number;
  /** The newest last. */
  #taken: { readonly part: number; bytes: number }[] = [];

  constructor({ bytes, seconds }: { readonly bytes: number; readonly seconds: number }) {
    this.bytes = bytes;
    this.seconds = seconds;
    this.#partMs = (seconds * 1_000) / PARTS;
  }

  leftBytes(now: number): number {
    const oldest = this.#partAt(now) - PARTS;
    this.#taken = this.#taken.filter(({ part }) => part >= oldest);
    return this.bytes - this.#taken.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  has(bytes: number, now: number): boolean {
    return bytes <= this.leftBytes(now);
  }

  /** `has` said so. */
  take(bytes: number, now: number): void {
    const part = this.#partAt(now);
    const last = this.#taken.at(-1);
    if (last?.part === part) last.bytes += bytes;
    else this.#taken.push({ part, bytes });
  }

  #partAt(now: number): number {
    return Math.floor(now / this.#partMs);
  }
}
