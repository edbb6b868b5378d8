/** Reads the pieces of a body one behind the other, as if they were one. */
export class PieceReader {
  readonly #pieces: readonly Uint8Array[];
  #piece = 0;
  #at = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
  }

  /** Copies the next bytes into `target`, from `at` to its end. */
  fill(target: Uint8Array, at: number): void {
    for (let to = at; to < target.byteLength;) {
      const piece = this.#pieces[this.#piece];
      if (piece === undefined) throw new RangeError("the pieces are shorter than their length");
      const part = piece.subarray(this.#at, this.#at + target.byteLength - to);
      target.set(part, to);
      to += part.byteLength;
      this.#at += part.byteLength;
      if (this.#at === piece.byteLength) {
        this.#piece += 1;
        this.#at = 0;
      }
    }
  }
}
