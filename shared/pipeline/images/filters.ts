import { checkNumbers } from "../limits.ts";

/** Filters of resampling as Pillow has them, and the weights that they give to the pixels along an edge. */

export interface Filter {
  /** Source pixels on either side, before it is widened. */
  readonly support: number;
  weight(distance: number): number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));
/** Pillow's bicubic takes a = −0.5, others −0.75. */
const CUBIC_A = -0.5;
const LANCZOS_SUPPORT = 3;

export const FILTERS: Readonly<Record<"box" | "bilinear" | "hamming" | "bicubic" | "lanczos", Filter>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight: (x) => {
      const at = Math.abs(x);
      return at >= 1 ? 0 : sinc(at) * (0.54 + 0.46 * Math.cos(Math.PI * at));
    },
  },
  bicubic: {
    support: 2,
    weight: (x) => {
      const at = Math.abs(x);
      if (at < 1) return ((CUBIC_A + 2) * at - (CUBIC_A + 3)) * at * at + 1;
      return at < 2 ? (((at - 5) * at + 8) * at - 4) * CUBIC_A : 0;
    },
  },
  lanczos: {
    support: LANCZOS_SUPPORT,
    weight: (x) => (Math.abs(x) < LANCZOS_SUPPORT ? sinc(x) * sinc(x / LANCZOS_SUPPORT) : 0),
  },
};

/** Weights are whole numbers of 2⁻²². */
export const PRECISION_BITS = 22;
const PRECISION = 2 ** PRECISION_BITS;

export interface Taps {
  /** The first source pixel of each target pixel, and how many count. */
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** Of all target pixels, `width` places each. */
  readonly weights: Int32Array;
  readonly width: number;
}

/** Which source pixels make each target pixel, along one edge. Throws `StepFault` when there are too many of them. */
export function tapsOf(filter: Filter, from: number, to: number): Taps {
  const scale = from / to;
  const widened = Math.max(1, scale);
  const support = filter.support * widened;
  const width = Math.ceil(support) * 2 + 1;
  checkNumbers(to * width);
  const starts = new Int32Array(to);
  const counts = new Int32Array(to);
  const weights = new Int32Array(to * width);
  const exact = new Float64Array(width);
  for (let target = 0; target < to; target += 1) {
    const centre = (target + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(from, Math.trunc(centre + support + 0.5)) - start;
    let sum = 0;
    for (let i = 0; i < count; i += 1) {
      const weight = filter.weight((i + start - centre + 0.5) * (1 / widened));
      exact[i] = weight;
      sum += weight;
    }
    for (let i = 0; i < count; i += 1) {
      const weight = ((exact[i] ?? 0) / (sum === 0 ? 1 : sum)) * PRECISION;
      weights[target * width + i] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    starts[target] = start;
    counts[target] = count;
  }
  return { starts, counts, weights, width };
}
