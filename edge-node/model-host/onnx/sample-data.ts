import { DATATYPES, type Datatype, type TensorData, zeroNumbers } from "../../../shared/inference/tensors/datatypes.ts";

/**
 * Made-up values, the same on every start. Narrow whole numbers are 0 or 1, as they may be indices; those of the second
 * `seed` are larger, so that a scale taken over the batch is not the first one's. Wide numbers differ by orders of magnitude,
 * wide texts in length.
 */
export function sampleData(
  datatype: Datatype,
  length: number,
  { seed, isWide, round }: { readonly seed: number; readonly isWide: boolean; readonly round: number },
): TensorData {
  const noise = noiseFrom(seed + 1 + 2 * round);
  if (datatype === "BYTES")
    return Array.from({ length }, () => (noise() < 0 ? "a" : "b").repeat(isWide ? 1 + 15 * seed : 1));
  const out = zeroNumbers(datatype, length);
  const { kind } = DATATYPES[datatype];
  const isFloat = kind === "float" || kind === "half";
  const isFlag = datatype === "BOOL";
  for (let i = 0; i < length; i += 1) {
    const value = noise();
    const whole = isWide && !isFlag ? Math.floor(((value + 1) / 2) * 100) : value < 0 ? 0 : 1;
    if (out instanceof BigInt64Array || out instanceof BigUint64Array) out[i] = BigInt(whole);
    else if (!isFloat) out[i] = whole;
    else out[i] = isWide ? Math.sign(value) * (0.5 + Math.abs(value) / 2) * 10 ** (3 * seed) : value * (1 + 2 * seed);
  }
  return out;
}

/** Numbers in [−1, 1): a linear congruential generator with the constants of Numerical Recipes. */
function noiseFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
