import type { Picture } from "../values.ts";
import { FILTERS, PRECISION_BITS, type Taps, tapsOf } from "./filters.ts";

/**
 * Resampling of 8-bit pictures as Pillow's `Image.resize` does it, bit for bit: filters that widen when a picture becomes
 * smaller, weights of 22 binary places, first along the rows and then along the columns, and rounded to 8 bits in between.
 * Other libraries (OpenCV, TensorFlow 1) do not widen their filters, so a model that was trained on their resizing needs
 * pictures that they resized.
 */
export const RESAMPLINGS = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] as const;
export type Resampling = (typeof RESAMPLINGS)[number];

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Weights of so many pairs of edges are kept, of no more than so many numbers each. */
const MAX_KEPT = 16;
const MAX_KEPT_WEIGHTS = 65_536;
const HALF = 2 ** (PRECISION_BITS - 1);

/**
 * One kind of resampling. It keeps the weights of the last sizes: a camera sends pictures of one size, and computing the
 * weights anew took as long as the resizing.
 */
export class Resampler {
  readonly #by: Resampling;
  /** Pair of edges → weights, the oldest first. */
  readonly #kept = new Map<string, Taps>();

  constructor(by: Resampling) {
    this.#by = by;
  }

  /** Both target edges are at least 1. Throws `StepFault` for a picture whose edge is too long. */
  resize(picture: Picture, to: Size): Picture {
    const { width, height, channels } = picture;
    if (width === to.width && height === to.height) return picture;
    if (this.#by === "nearest") return nearest(picture, to);
    const across =
      width === to.width ? picture.data : alongRows(picture, this.#taps(this.#by, width, to.width), to.width);
    const between = { width: to.width, height, channels, data: across };
    if (height === to.height) return between;
    const data = alongColumns(between, this.#taps(this.#by, height, to.height), to.height);
    return { width: to.width, height: to.height, channels, data };
  }

  #taps(by: Exclude<Resampling, "nearest">, from: number, to: number): Taps {
    const key = `${from} ${to}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const taps = tapsOf(FILTERS[by], from, to);
    if (taps.weights.length > MAX_KEPT_WEIGHTS) return taps;
    this.#kept.set(key, taps);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return taps;
  }
}

/** Sums are of 32 bits, as Pillow's are: no filter leads beyond them, and V8 computes them as integers. */
function alongRows({ width, height, channels, data }: Picture, taps: Taps, to: number): Uint8Array {
  const { starts, counts, weights } = taps;
  const out = new Uint8Array(to * height * channels);
  for (let channel = 0; channel < channels; channel += 1)
    for (let row = 0; row < height; row += 1)
      for (let target = 0; target < to; target += 1) {
        const first = (row * width + (starts[target] ?? 0)) * channels + channel;
        const count = counts[target] ?? 0;
        const weight = target * taps.width;
        let sum = HALF;
        for (let i = 0; i < count; i += 1)
          sum = (sum + Math.imul(data[first + i * channels] ?? 0, weights[weight + i] ?? 0)) | 0;
        out[(row * to + target) * channels + channel] = clip(sum);
      }
  return out;
}

/** Row by row of the source, in the order in which they lie in memory. */
function alongColumns({ width, channels, data }: Picture, taps: Taps, to: number): Uint8Array {
  const { starts, counts, weights } = taps;
  const stride = width * channels;
  const out = new Uint8Array(stride * to);
  const sums = new Int32Array(stride);
  for (let target = 0; target < to; target += 1) {
    sums.fill(HALF);
    for (let i = 0; i < (counts[target] ?? 0); i += 1) {
      const weight = weights[target * taps.width + i] ?? 0;
      const row = ((starts[target] ?? 0) + i) * stride;
      for (let at = 0; at < stride; at += 1) sums[at] = ((sums[at] ?? 0) + Math.imul(data[row + at] ?? 0, weight)) | 0;
    }
    for (let at = 0; at < stride; at += 1) out[target * stride + at] = clip(sums[at] ?? 0);
  }
  return out;
}

const clip = (sum: number): number => Math.min(255, Math.max(0, sum >> PRECISION_BITS));

function nearest({ width, height, channels, data }: Picture, to: Size): Picture {
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
