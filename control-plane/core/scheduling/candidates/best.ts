/** The best few of many places, best first. */
export class Best {
  readonly places: number[] = [];
  /** A place with a lower total is none of the best. */
  floor = -Infinity;
  readonly #totals: number[] = [];
  readonly #size: number;
  readonly #tieValue: (place: number) => number;

  constructor(size: number, tieValue: (place: number) => number) {
    this.#size = size;
    this.#tieValue = tieValue;
  }

  offer(place: number, total: number): void {
    let at = this.places.length;
    while (at > 0 && this.#isBetter(place, total, at - 1)) at -= 1;
    if (at >= this.#size) return;
    this.places.splice(at, 0, place);
    this.#totals.splice(at, 0, total);
    if (this.places.length > this.#size) {
      this.places.pop();
      this.#totals.pop();
    }
    if (this.places.length === this.#size) this.floor = this.#totals[this.#size - 1] ?? -Infinity;
  }

  #isBetter(place: number, total: number, at: number): boolean {
    const other = this.#totals[at] ?? 0;
    if (total !== other) return total > other;
    return this.#tieValue(place) > this.#tieValue(this.places[at] ?? place);
  }
}
