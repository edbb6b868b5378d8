import { quantile } from "../../support/quantile.ts";
import { simulate, type Outcome, type Setup } from "./simulate.ts";

const SEEDS = [1, 2, 3];

/** What came within a span of time, in ms. */
export interface Span {
  readonly from: number;
  readonly to?: number;
}

/** How long the answers to the requests of the span took, in ms. */
export function answersIn({ arrivedAt, tookMs }: Outcome, { from, to = Infinity }: Span): number[] {
  return tookMs.filter((ms, index) => isIn(arrivedAt[index], from, to) && !Number.isNaN(ms));
}

/** The same of those that go first in queues, or of the others. */
export const answersOf = (outcome: Outcome, span: Span & { readonly high: boolean }): number[] =>
  answersIn(
    { ...outcome, tookMs: outcome.tookMs.map((ms, index) => (outcome.isHigh[index] === span.high ? ms : NaN)) },
    span,
  );

/** Share of the span's requests that got no answer, 0–1. */
export function failedIn({ arrivedAt, tookMs }: Outcome, { from, to = Infinity }: Span): number {
  let all = 0;
  let failed = 0;
  for (const [index, ms] of tookMs.entries()) {
    if (!isIn(arrivedAt[index], from, to)) continue;
    all += 1;
    if (Number.isNaN(ms)) failed += 1;
  }
  return failed / all;
}

const isIn = (at: number | undefined, from: number, to: number): boolean => at !== undefined && at >= from && at < to;

export const p99 = (values: readonly number[]): number => quantile(values, 0.99);

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The mean of a measure over the seeds. */
export const overSeeds = (
  setup: (seed: number) => Setup,
  measure: (outcome: Outcome) => number,
  seeds: readonly number[] = SEEDS,
): number => mean(seeds.map((seed) => measure(simulate(setup(seed)))));
