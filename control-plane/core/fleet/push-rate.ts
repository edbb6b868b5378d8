import type { FleetLoad } from "./types.ts";

/** Of less it is the round trips that are measured. */
const LEAST_BYTES = 1_048_576;
const NEWEST_WEIGHT = 0.3;

/** The rate at which a node receives, in bytes per ms, after `bytes` arrived in `ms`; undefined: nothing large was pushed so far. */
export function pushRateAfter(
  { pushBytesPerMs: before }: Pick<FleetLoad, "pushBytesPerMs">,
  { bytes, ms }: { readonly bytes: number; readonly ms: number },
): number | undefined {
  if (bytes < LEAST_BYTES || ms <= 0) return before;
  const rate = bytes / ms;
  return before === undefined ? rate : before + NEWEST_WEIGHT * (rate - before);
}
