import type { Random } from "../../../shared/base/random.ts";
import { hashFraction } from "../hash.ts";

/** A version and its share of the requests, relative to the others' weights. */
export interface VersionShare {
  readonly version: number;
  readonly weight: number;
}

/** As much of chance as a choice among versions needs. */
export type Chance = Pick<Random, "next">;

/**
 * Which version answers; undefined when no share has weight. With a sticky key the same version for the same key, and a
 * changed weight moves only as many keys as it must (weighted rendezvous hashing, Schindelhauer and Schomaker, 2005).
 */
export function chooseVersion(
  shares: readonly VersionShare[],
  stickyKey: string | undefined,
  random: Chance,
): number | undefined {
  const [first] = shares;
  if (shares.length <= 1) return first && first.weight > 0 ? first.version : undefined;
  let best: number | undefined;
  let bestScore = Infinity;
  for (const { version, weight } of shares) {
    const ticket = stickyKey === undefined ? random.next() : hashFraction(`${version}:${stickyKey}`);
    // Exponential variables race: the one of the largest rate wins with probability weight / sum.
    const score = weight > 0 ? -Math.log(1 - ticket) / weight : Infinity;
    if (score >= bestScore) continue;
    bestScore = score;
    best = version;
  }
  return best;
}
