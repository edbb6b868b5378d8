/** One look at the whole traffic. */
export interface TrafficPoint {
  readonly ratePerS: number;
  readonly errorsPerS: number;
  readonly p95Ms: number;
  readonly tokensPerS: number;
}

/** Five minutes of a look every 2 s. */
const KEPT = 150;

export const withPoint = (history: readonly TrafficPoint[], point: TrafficPoint): readonly TrafficPoint[] => [
  ...history.slice(1 - KEPT),
  point,
];

/** The top of a chart: the largest figure, and never nothing. */
export const topOf = (values: readonly number[]): number => Math.max(1, ...values);

/** A rate as a person reads it: `0`, `0.4`, `12`; one request in a minute is not none. */
export function rateText(perS: number): string {
  if (perS === 0) return "0";
  if (perS < 0.05) return "< 0.1";
  return perS < 10 ? perS.toFixed(1) : Math.round(perS).toLocaleString("en");
}
