import type { Random } from "../../../shared/base/random.ts";

/** A version and its share of the requests, relative to the others' weights. */
export interface VersionShare {
  readonly version: number;
  readonly weight: number;
}

/** As much of chance as a choice among versions needs. */
export type Chance = Pick<Random, "next">;

/** Which version answers, each in proportion to its weight; undefined when no share has weight. */
export function chooseVersion(shares: readonly VersionShare[], random: Chance): number | undefined {
  const [first] = shares;
  if (shares.length <= 1) return first && first.weight > 0 ? first.version : undefined;
  let best: number | undefined;
  let bestScore = Infinity;
  for (const { version, weight } of shares) {
    // Of exponential variables, the one with rate w is the smallest with probability w / sum.
    const score = weight > 0 ? -Math.log(1 - random.next()) / weight : Infinity;
    if (score >= bestScore) continue;
    bestScore = score;
    best = version;
  }
  return best;
}
