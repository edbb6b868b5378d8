/** How one request ended. */
export interface Sample {
  /** From when it was due until its answer was read, in ms. With callers that wait for their answers, from its sending. */
  readonly ms: number;
  /** `OK`, or why there is no answer. */
  readonly code: string;
  /** Which node answered; undefined: none, or none is named. */
  readonly node: string | undefined;
  /** Tokens that a model of text wrote. */
  readonly tokens?: number;
}

export interface Percentiles {
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface NodeShare {
  readonly node: string;
  readonly requests: number;
  /** Of all answers, 0–1. */
  readonly share: number;
  readonly latency: Percentiles;
}

export interface LoadSummary {
  readonly seconds: number;
  readonly requests: number;
  readonly answered: number;
  readonly answersPerS: number;
  /** Answers within the promise per second; without a promise null. */
  readonly goodputPerS: number | null;
  readonly withinMs: number | null;
  readonly tokensPerS: number | null;
  /** Null when nothing was answered. */
  readonly latency: Percentiles | null;
  readonly errors: Readonly<Record<string, number>>;
  readonly nodes: readonly NodeShare[];
}

/** What `samples` of `seconds` say. `withinMs`: answers later than this are no goodput. */
export function summarize(
  samples: readonly Sample[],
  { seconds, withinMs }: { readonly seconds: number; readonly withinMs: number | null },
): LoadSummary {
  const answers = samples.filter(({ code }) => code === "OK");
  const tokens = answers.flatMap((sample) => sample.tokens ?? []);
  const good = withinMs === null ? null : answers.filter(({ ms }) => ms <= withinMs).length;
  const errors = Map.groupBy(
    samples.filter(({ code }) => code !== "OK"),
    ({ code }) => code,
  );
  return {
    seconds,
    requests: samples.length,
    answered: answers.length,
    answersPerS: answers.length / seconds,
    goodputPerS: good === null ? null : good / seconds,
    withinMs,
    tokensPerS: tokens.length === 0 ? null : tokens.reduce((sum, each) => sum + each, 0) / seconds,
    latency: percentiles(answers),
    errors: Object.fromEntries([...errors].map(([code, of]) => [code, of.length])),
    nodes: [...Map.groupBy(answers, ({ node }) => node ?? "not named")]
      .flatMap(([node, of]) => {
        const latency = percentiles(of);
        return latency === null ? [] : [{ node, requests: of.length, share: of.length / answers.length, latency }];
      })
      .toSorted((a, b) => b.requests - a.requests || (a.node < b.node ? -1 : 1)),
  };
}

function percentiles(answers: readonly Sample[]): Percentiles | null {
  const sorted = Float64Array.from(answers, ({ ms }) => ms).toSorted();
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  if (sorted.length === 0) return null;
  return { p50Ms: at(0.5), p90Ms: at(0.9), p95Ms: at(0.95), p99Ms: at(0.99), maxMs: at(1) };
}
