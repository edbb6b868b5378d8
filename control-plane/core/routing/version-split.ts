import type { Random } from "../../../shared/base/random.ts";
import { stableHash } from "../hash.ts";
import { fractionOf } from "./affinity.ts";

/** A version and its share of the requests, relative to the others' weights. */
export interface VersionShare {
  readonly version: number;
  readonly weight: number;
}

/** As much of chance as a choice among versions needs. */
export type Chance = Pick<Random, "next">;

/**
 * Which version answers, each in proportion to its weight; undefined when no share has weight. With a `sticky` key the key
 * decides instead of chance: it stays with a version as long as that version's share only grows, at every control plane.
 */
export function chooseVersion(shares: readonly VersionShare[], random: Chance, sticky?: string): number | undefined {
  const [first] = shares;
  if (shares.length <= 1) return first && first.weight > 0 ? first.version : undefined;
  let best: number | undefined;
  let bestScore = Infinity;
  for (const { version, weight } of shares) {
    const drawn = sticky === undefined ? random.next() : fractionOf(stableHash(`${version} ${sticky}`));
    // Of exponential variables, the one with rate w is the smallest with probability w / sum. Of one whose rate grows
    // while the others' do not, the score only gets smaller: who had it keeps it.
    const score = weight > 0 ? -Math.log(1 - drawn) / weight : Infinity;
    if (score >= bestScore) continue;
    bestScore = score;
    best = version;
  }
  return best;
}
