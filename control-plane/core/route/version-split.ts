import type { Random } from "../../../shared/random.ts";

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
    const ticket = stickyKey === undefined ? random.next() : fraction(`${version}:${stickyKey}`);
    // Exponential variables race: the one of the largest rate wins with probability weight / sum.
    const score = weight > 0 ? -Math.log(1 - ticket) / weight : Infinity;
    if (score >= bestScore) continue;
    bestScore = score;
    best = version;
  }
  return best;
}

/** The text's hash as a number in [0, 1): FNV-1a, then a mix, since FNV alone leaves the high bits of similar keys alike. */
function fraction(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
