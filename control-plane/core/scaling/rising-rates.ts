/** A rise counts when it has gone on in each of so many parts of time. */
const PARTS = 3;
/** So long is a part, in ms: longer than the 3 s over which a rate that jumps is seen to rise (`ArrivalWindow`). */
const PART_MS = 4_000;
const WINDOW_MS = PARTS * PART_MS;
/** Samples are taken this often at most, in ms. */
const SPACING_MS = 500;

interface Sample {
  readonly at: number;
  readonly ratePerS: number;
}

/**
 * By how much rates go on rising. The least of the rises in each of the last three times 4 s counts: a rate that jumps and then
 * stays, or wavers, does not rise in all of them. Remembers 12 s.
 */
export class RisingRates {
  #samples: ReadonlyMap<string, readonly Sample[]> = new Map();

  /** Requests per second that come to be more in each second, at `now` (ms, never less than before); rates that do not rise are not in it. */
  update(rates: ReadonlyMap<string, { readonly ratePerS: number }>, now: number): ReadonlyMap<string, number> {
    const samples = new Map<string, readonly Sample[]>();
    const rising = new Map<string, number>();
    for (const [name, { ratePerS }] of rates) {
      const known = this.#samples.get(name) ?? [];
      const isDue = now - (known.at(-1)?.at ?? -Infinity) >= SPACING_MS;
      const kept = known.filter((_, index) => (known[index + 1]?.at ?? now) > now - WINDOW_MS);
      samples.set(name, isDue ? [...kept, { at: now, ratePerS }] : kept);
      const slope = slopeOf(kept, { at: now, ratePerS });
      if (slope > 0) rising.set(name, slope);
    }
    this.#samples = samples;
    return rising;
  }

  /** Forgets the past: another replica leads. */
  reset(): void {
    this.#samples = new Map();
  }
}

function slopeOf(samples: readonly Sample[], newest: Sample): number {
  let slope = Infinity;
  let to = newest;
  for (let part = 1; part <= PARTS; part += 1) {
    const from = samples.findLast(({ at }) => at <= newest.at - part * PART_MS);
    // Nothing was looked at meanwhile: nobody knows when it rose.
    if (!from || from === to) return 0;
    slope = Math.min(slope, between(from, to));
    to = from;
  }
  return slope;
}

const between = (from: Sample, to: Sample): number => ((to.ratePerS - from.ratePerS) * 1_000) / (to.at - from.at);
