import { randomBytes } from "node:crypto";

/** Chance as an argument, so that a decision can be replayed from its seed. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** `count` random bytes. Only the system's source is fit for secrets. */
  bytes(count: number): Uint8Array;
}

/**
 * What `main.ts` passes in. Only `bytes` asks the operating system: `next` chooses routes and jitter, on the path of every
 * request, and asking there too was 5 % of a control plane's time under load.
 */
export const systemRandom: Random = {
  next: () => Math.random(),
  bytes: (count) => randomBytes(count),
};

/** Repeatable chance: mulberry32. Never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)) };
}
