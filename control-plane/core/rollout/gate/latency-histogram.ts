/**
 * Latencies as counts of buckets: eight to an octave, so that a quantile is known within 9 %. Histograms of several
 * control planes add up, which quantiles do not.
 */

/** Count of each bucket, as far as the last that is not 0. */
export type LatencyHistogram = readonly number[];

const FIRST_EDGE_MS = 0.25;
const PER_OCTAVE = 8;
/** The last bucket begins above one minute, the longest deadline. */
const BUCKETS = 145;

/** Upper edge of a bucket in ms; the last one has none. */
export const edgeMs = (bucket: number): number => FIRST_EDGE_MS * 2 ** (bucket / PER_OCTAVE);

/** The bucket of a latency: the first whose upper edge is not below it. */
export function bucketOf(ms: number): number {
  if (!(ms > FIRST_EDGE_MS)) return 0;
  return Math.min(BUCKETS - 1, Math.ceil(Math.log2(ms / FIRST_EDGE_MS) * PER_OCTAVE - 1e-9));
}

export const countOf = (histogram: LatencyHistogram): number => histogram.reduce((sum, count) => sum + count, 0);

/** How many latencies are surely above `ms`: those of the buckets that begin there or later. */
export const countAbove = (histogram: LatencyHistogram, ms: number): number =>
  countOf(histogram.slice(bucketOf(ms) + 1));

/** Upper edge of the bucket in which the quantile is, in ms; undefined of an empty histogram. */
export function quantileMs(histogram: LatencyHistogram, quantile: number): number | undefined {
  const count = countOf(histogram);
  if (count === 0) return undefined;
  let upTo = 0;
  const bucket = histogram.findIndex((each) => (upTo += each) >= quantile * count);
  return edgeMs(bucket);
}

export function addHistograms(a: LatencyHistogram, b: LatencyHistogram): LatencyHistogram {
  const [longer, shorter] = a.length >= b.length ? [a, b] : [b, a];
  return longer.map((count, bucket) => count + (shorter[bucket] ?? 0));
}
