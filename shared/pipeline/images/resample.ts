import type { Picture } from "../values.ts";

/**
 * Resampling of 8-bit pictures as Pillow's `Image.resize` does it, bit for bit: filters that widen when a picture becomes
 * smaller, weights of 22 binary places, first along the rows and then along the columns, and rounded to 8 bits in between.
 * Other libraries (OpenCV, TensorFlow 1) do not widen their filters, so a model that was trained on their resizing needs
 * pictures that they resized.
 */
export const RESAMPLINGS = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] as const;
export type Resampling = (typeof RESAMPLINGS)[number];

interface Filter {
  /** Source pixels on either side, before it is widened. */
  readonly support: number;
  weight(distance: number): number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));
/** Pillow's bicubic takes a = −0.5, others −0.75. */
const CUBIC_A = -0.5;
const LANCZOS_SUPPORT = 3;

const FILTERS: Readonly<Record<Exclude<Resampling, "nearest">, Filter>> = {
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
const PRECISION_BITS = 22;
const PRECISION = 2 ** PRECISION_BITS;
const HALF = PRECISION / 2;

interface Taps {
  /** The first source pixel of each target pixel, and how many count. */
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** Of all target pixels, `width` places each. */
  readonly weights: Int32Array;
  readonly width: number;
}

/** Which source pixels make each target pixel, along one edge. */
function tapsOf(filter: Filter, from: number, to: number): Taps {
  const scale = from / to;
  const widened = Math.max(1, scale);
  const support = filter.support * widened;
  const width = Math.ceil(support) * 2 + 1;
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

/** Both target edges are at least 1. */
export function resize(
  picture: Picture,
  to: { readonly width: number; readonly height: number },
  by: Resampling,
): Picture {
  const { width, height, channels } = picture;
  if (width === to.width && height === to.height) return picture;
  if (by === "nearest") return nearest(picture, to);
  const filter = FILTERS[by];
  const across = width === to.width ? picture.data : alongRows(picture, tapsOf(filter, width, to.width), to.width);
  const between = { width: to.width, height, channels, data: across };
  if (height === to.height) return between;
  const data = alongColumns(between, tapsOf(filter, height, to.height), to.height);
  return { width: to.width, height: to.height, channels, data };
}

function alongRows({ width, height, channels, data }: Picture, taps: Taps, to: number): Uint8Array {
  const out = new Uint8Array(to * height * channels);
  for (let row = 0; row < height; row += 1)
    for (let target = 0; target < to; target += 1) {
      const start = taps.starts[target] ?? 0;
      const count = taps.counts[target] ?? 0;
      for (let channel = 0; channel < channels; channel += 1) {
        let sum = HALF;
        for (let i = 0; i < count; i += 1)
          sum +=
            (data[(row * width + start + i) * channels + channel] ?? 0) * (taps.weights[target * taps.width + i] ?? 0);
        out[(row * to + target) * channels + channel] = clip(sum);
      }
    }
  return out;
}

function alongColumns({ width, channels, data }: Picture, taps: Taps, to: number): Uint8Array {
  const stride = width * channels;
  const out = new Uint8Array(stride * to);
  for (let target = 0; target < to; target += 1) {
    const start = taps.starts[target] ?? 0;
    const count = taps.counts[target] ?? 0;
    for (let at = 0; at < stride; at += 1) {
      let sum = HALF;
      for (let i = 0; i < count; i += 1)
        sum += (data[(start + i) * stride + at] ?? 0) * (taps.weights[target * taps.width + i] ?? 0);
      out[target * stride + at] = clip(sum);
    }
  }
  return out;
}

/** Pillow adds in 32 bits, too: no filter leads beyond them. */
const clip = (sum: number): number => Math.min(255, Math.max(0, sum >> PRECISION_BITS));

function nearest(
  { width, height, channels, data }: Picture,
  to: { readonly width: number; readonly height: number },
): Picture {
  const columns = nearestOf(width, to.width);
  const rows = nearestOf(height, to.height);
  const out = new Uint8Array(to.width * to.height * channels);
  for (let y = 0; y < to.height; y += 1)
    for (let x = 0; x < to.width; x += 1) {
      const source = (rows[y] ?? 0) * width + (columns[x] ?? 0);
      for (let channel = 0; channel < channels; channel += 1)
        out[(y * to.width + x) * channels + channel] = data[source * channels + channel] ?? 0;
    }
  return { ...to, channels, data: out };
}

/** The source pixel of each target pixel along an edge. Pillow adds up the steps, which decides where a centre lies between two pixels. */
function nearestOf(from: number, to: number): Int32Array {
  const step = from / to;
  const sources = new Int32Array(to);
  for (let target = 0, centre = step * 0.5; target < to; target += 1, centre += step)
    sources[target] = Math.min(from - 1, Math.trunc(centre));
  return sources;
}
