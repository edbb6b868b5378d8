import type { FleetLoad } from "./types.ts";

/** Of less it is the round trips that are measured. */
const LEAST_BYTES = 1_048_576;
const NEWEST_WEIGHT = 0.3;
/**
 * How long a rate counts after the last push, in ms. A node that is taken for too slow gets no push, and so would never be
 * measured again, also when its link has become faster.
 */
export const RATE_LASTS_MS = 6 * 60 * 60_000;

/** What is known of how a node receives. */
export type PushRate = Pick<FleetLoad, "pushBytesPerMs" | "pushMeasuredAt">;

/** The rate at which a node receives after `bytes` arrived in `ms`; as before: too little arrived to tell. */
export function pushRateAfter(
  before: PushRate,
  { bytes, ms, at }: { readonly bytes: number; readonly ms: number; readonly at: number },
): PushRate {
  if (bytes < LEAST_BYTES || ms <= 0) return before;
  const rate = bytes / ms;
  const known = pushRateAt(before, at);
  return { pushBytesPerMs: known === undefined ? rate : known + NEWEST_WEIGHT * (rate - known), pushMeasuredAt: at };
}

/** Bytes that a node receives in a ms, as far as that is known at `now`; undefined: it was not measured lately. */
export const pushRateAt = ({ pushBytesPerMs, pushMeasuredAt }: PushRate, now: number): number | undefined =>
  pushMeasuredAt !== undefined && now - pushMeasuredAt < RATE_LASTS_MS ? pushBytesPerMs : undefined;
