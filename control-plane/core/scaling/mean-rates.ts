import type { Demand } from "./demand.ts";

/** After so long an old rate counts half, in ms. */
export const HALF_LIFE_MS = 5 * 60_000;
/** Requests in a second below which a deployment is forgotten. */
const FORGOTTEN = 1e-6;

/**
 * The mean rates of requests for deployments over the last minutes. What a replica is worth follows these, and not each burst;
 * so a deployment that is new is worth nothing at first. Remembers the past; a leader that has just begun knows none.
 */
export class MeanRates {
  #ratesPerS: ReadonlyMap<string, number> = new Map();
  #at = -Infinity;

  /** The means at `now` (ms, never less than before), by the name of the deployment. */
  update(demands: ReadonlyMap<string, Pick<Demand, "ratePerS">>, now: number): ReadonlyMap<string, number> {
    const kept = 0.5 ** (Math.min(now - this.#at, 100 * HALF_LIFE_MS) / HALF_LIFE_MS);
    const isFirst = this.#at === -Infinity;
    this.#at = now;
    const means = new Map<string, number>();
    for (const name of new Set([...this.#ratesPerS.keys(), ...demands.keys()])) {
      const [before, measured] = [this.#ratesPerS.get(name) ?? 0, demands.get(name)?.ratePerS ?? 0];
      const mean = isFirst ? 0 : measured + kept * (before - measured);
      if (mean > FORGOTTEN) means.set(name, mean);
    }
    this.#ratesPerS = means;
    return means;
  }

  /** Forgets the past: another replica leads. */
  reset(): void {
    this.#ratesPerS = new Map();
    this.#at = -Infinity;
  }
}
