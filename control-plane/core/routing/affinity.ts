/**
 * Which replica answers the requests of one session, so that it has the beginning of their prompts in its cache: consistent
 * hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, 2018). The replicas are tried in an order that the
 * session's key gives, by weighted rendezvous hashing instead of a ring, as a model has few of them and a table would have
 * to be kept; the first whose load is below its bound is taken. A replica that comes or goes moves its own sessions alone.
 */

/**
 * No replica has more than this many times its part of all requests, rounded up: a session that many people share makes no
 * hot spot. A session that is sent elsewhere has its whole prompt computed again, there and when it comes back: with 1.25
 * the four replicas of sessions.bench.ts, with some two requests each, had 0.79 times the hits of one.
 */
export const MOST_OF_FAIR_LOAD = 2;

export interface AffinityCandidate {
  /** Its name in the hash: the same at every control plane. */
  readonly id: number;
  /** Requests at it. */
  readonly load: number;
  /** Its part of the sessions, relative to the others' weights; more than 0. */
  readonly weight: number;
}

/** Those that may take one more request, the home of the session first. Never empty unless `candidates` is. */
export function byAffinity<Candidate extends AffinityCandidate>(
  key: number,
  candidates: readonly Candidate[],
): readonly Candidate[] {
  let load = 1;
  let weight = 0;
  for (const candidate of candidates) {
    load += candidate.load;
    weight += candidate.weight;
  }
  return candidates
    .filter((candidate) => candidate.load < Math.ceil((MOST_OF_FAIR_LOAD * load * candidate.weight) / weight))
    .map((candidate) => ({ candidate, score: scoreOf(key, candidate) }))
    .toSorted((a, b) => b.score - a.score || a.candidate.id - b.candidate.id)
    .map(({ candidate }) => candidate);
}

/** A number from 0 to below 1 that only the key decides. */
export const fractionOf = (key: number): number => mixed(key) / 2 ** 32;

/** The largest of -w / ln u is the candidate with weight w with probability w / Σw. */
const scoreOf = (key: number, { id, weight }: AffinityCandidate): number =>
  -weight / Math.log((mixed(key ^ mixed(id)) + 0.5) / 2 ** 32);

/** The finalizer of MurmurHash3 (Appleby), 32 bits: each bit of the argument changes half of the result's. */
function mixed(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
