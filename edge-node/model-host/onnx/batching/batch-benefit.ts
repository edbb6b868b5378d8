import type { Tensor } from "../../../../shared/inference/tensors/datatypes.ts";

/** In ms. A trial of a slower model would hold up its start. */
const SLOW_MS = 50;
/**
 * In ms. Beyond it sharing must pay: of a model whose time grows with its rows, those who share a run only all wait for
 * the last of them. Below it, fewer turns of two processes pay already.
 */
const QUICK_MS = 2;
/** Three rows must take less than this many times as long as one. Six dense layers of 1,024 take 1.0 times, the digits CNN 1.3–1.4. */
const PAYS_BELOW = 2;
/** A machine that is busy elsewhere must not switch batching off until the next start: the best of a few trials counts. */
const MAX_TRIALS = 5;
const ENOUGH_MS = 100;

/** Runs inputs, and takes its time. */
type Timed = (inputs: readonly Tensor[]) => Promise<number>;

/** Why a model is too slow to be tried out further, from a run of one row; undefined when it is not. */
export async function whyTooSlow(time: Timed, oneRow: readonly Tensor[]): Promise<string | undefined> {
  const first = await time(oneRow);
  if (first <= SLOW_MS) return undefined;
  const best = Math.min(first, await time(oneRow));
  return best <= SLOW_MS ? undefined : `a run takes ${Math.round(best)} ms, too long for others to wait for it`;
}

/** Why it does not pay to run rows of this model together; undefined when it does. */
export async function noBenefitReason(
  time: Timed,
  { oneRow, threeRows }: { readonly oneRow: readonly Tensor[]; readonly threeRows: readonly Tensor[] },
): Promise<string | undefined> {
  const one = await time(oneRow);
  if (one <= QUICK_MS) return undefined;
  let three = Infinity;
  let spent = 0;
  for (let i = 0; i < MAX_TRIALS && spent < ENOUGH_MS; i += 1) {
    const took = await time(threeRows);
    spent += took;
    three = Math.min(three, took);
    if (three < PAYS_BELOW * one) return undefined;
  }
  return `three rows take ${three.toFixed(1)} ms where one takes ${one.toFixed(1)}: too little is gained`;
}
