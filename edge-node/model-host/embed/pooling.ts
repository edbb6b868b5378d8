import type { Pooling } from "../../../shared/text/encoder-model.ts";

/** Vectors of the tokens of several texts, one text after the other, each padded to `padded` tokens. */
export interface TokenVectors {
  readonly data: Float32Array;
  readonly padded: number;
  readonly width: number;
}

/** Least sum of weights, as in sentence-transformers. */
const LEAST_WEIGHT = 1e-9;

/** The vector of the text at `row`, which has `tokens` tokens; its padding counts for nothing. */
export function pooled(vectors: TokenVectors, row: number, { tokens, pooling }: { tokens: number; pooling: Pooling }) {
  const { data, padded, width } = vectors;
  const from = row * padded * width;
  const vector = (at: number): Float32Array => data.subarray(from + at * width, from + (at + 1) * width);
  switch (pooling) {
    case "cls":
      return vector(0).slice();
    case "lasttoken":
      return vector(tokens - 1).slice();
    case "max":
      return largest(vector, tokens, width);
    case "mean":
      return scaled(weighted(vector, tokens, width), tokens);
    case "mean_sqrt_len_tokens":
      return scaled(weighted(vector, tokens, width), Math.sqrt(tokens));
    case "weightedmean":
      return scaled(
        weighted(vector, tokens, width, (at) => at + 1),
        (tokens * (tokens + 1)) / 2,
      );
  }
}

function largest(vector: (at: number) => Float32Array, tokens: number, width: number): Float32Array {
  const out = vector(0).slice();
  for (let at = 1; at < tokens; at += 1) {
    const other = vector(at);
    for (let k = 0; k < width; k += 1) out[k] = Math.max(out[k] ?? 0, other[k] ?? 0);
  }
  return out;
}

/** Sums are doubles: the embedding of a long text is not worse than that of a short one. */
function weighted(
  vector: (at: number) => Float32Array,
  tokens: number,
  width: number,
  weight: (at: number) => number = () => 1,
): Float64Array {
  const sum = new Float64Array(width);
  for (let at = 0; at < tokens; at += 1) {
    const each = vector(at);
    const factor = weight(at);
    for (let k = 0; k < width; k += 1) sum[k] = (sum[k] ?? 0) + factor * (each[k] ?? 0);
  }
  return sum;
}

const scaled = (sum: Float64Array, weight: number): Float32Array =>
  Float32Array.from(sum, (value) => value / Math.max(weight, LEAST_WEIGHT));

/** The same direction with the length 1; zeros stay zeros. */
export function normalized(vector: Float32Array): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const length = Math.sqrt(squares);
  return length === 0 ? vector : vector.map((value) => value / length);
}

/** The first numbers of an embedding that was trained for it; undefined: all. */
export function shortened(
  embedding: Float32Array,
  dimensions: number | undefined,
  { normalizes }: { readonly normalizes: boolean },
): Float32Array {
  if (dimensions === undefined || dimensions >= embedding.length) return embedding;
  const first = embedding.slice(0, dimensions);
  return normalizes ? normalized(first) : first;
}
