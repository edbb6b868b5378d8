// Math.exp is not used: the language leaves its last bit to the engine, and a C++ compiler may fuse its
// multiplications and additions on one CPU and not on another. Plain JavaScript arithmetic is IEEE 754
// double precision everywhere, so the trained weights are the same bytes everywhere too.
const LN2_HIGH = 6.9314718036912381649e-1; // upper bits of ln 2, so that k * LN2_HIGH is exact
const LN2_LOW = 1.90821492927058770002e-10;
const LOG2_E = 1.442695040888963387;
const SMALLEST_ARGUMENT = -700; // e⁻⁷⁰⁰ ≈ 10⁻³⁰⁴, the last stop before denormal numbers
const TAYLOR_DEGREE = 13; // |r| ≤ 0.35 leaves an error below 2⁻⁵³

const HALVES = Float64Array.from({ length: 1024 });
for (let k = 0, value = 1; k < HALVES.length; k += 1, value /= 2) HALVES[k] = value;

/** eˣ for x ≤ 0, the same bits on every machine; 0 below −700. */
export function expOfNegative(x: number): number {
  if (x < SMALLEST_ARGUMENT) return 0;
  const k = Math.round(-x * LOG2_E);
  const r = x + k * LN2_HIGH + k * LN2_LOW;
  let sum = 1;
  for (let degree = TAYLOR_DEGREE; degree > 0; degree -= 1) sum = 1 + (sum * r) / degree;
  return sum * HALVES[k]!;
}

/** Turns scores into probabilities that sum to 1, in place. */
export function softmaxInPlace(scores: Float64Array): void {
  let largest = -Infinity;
  for (let i = 0; i < scores.length; i += 1) largest = Math.max(largest, scores[i]!);
  let sum = 0;
  for (let i = 0; i < scores.length; i += 1) {
    const value = expOfNegative(scores[i]! - largest);
    scores[i] = value;
    sum += value;
  }
  for (let i = 0; i < scores.length; i += 1) scores[i]! /= sum;
}

/**
 * Cross-entropy in nats: 0 when `label` has probability 1. Only reported, never part of a gradient, so
 * the engine's `Math.log` cannot reach the weights.
 */
export function crossEntropy(probabilities: Float64Array, label: number): number {
  return -Math.log(Math.max(probabilities[label]!, Number.MIN_VALUE));
}

/** Gradient of cross-entropy by the scores before softmax: probabilities − one-hot(label). */
export function scoreGradient(probabilities: Float64Array, label: number, gradient: Float64Array): void {
  gradient.set(probabilities);
  gradient[label]! -= 1;
}
