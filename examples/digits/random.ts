/**
 * Seeded chance (mulberry32). Training must give the same files on every machine, so nothing here
 * touches `Math.random`; 32-bit integer arithmetic is exact everywhere.
 */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number in [0, 1), in steps of 2⁻³². */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** Fills `values` evenly from [-limit, limit). */
  fillUniform(values: Float32Array, limit: number): void {
    for (let i = 0; i < values.length; i += 1) values[i] = (2 * this.next() - 1) * limit;
  }

  /** A shuffled copy (Fisher–Yates); the argument is left alone. */
  shuffled<T>(items: readonly T[]): T[] {
    const copy = [...items];
    for (let last = copy.length - 1; last > 0; last -= 1) {
      const other = this.below(last + 1);
      const held = copy[last]!;
      copy[last] = copy[other]!;
      copy[other] = held;
    }
    return copy;
  }
}
