import { isIdle, type Demand } from "./demand.ts";

/** Safety above the mean load, in its square roots: with 1.5 few requests in a hundred wait (Halfin and Whitt). */
const SQUARE_ROOTS = 1.5;
/** What waits is worked off in this time, in ms. */
const CATCH_UP_MS = 5_000;
/** Taken for the service time before anything has run, in ms. */
const UNKNOWN_SERVICE_MS = 100;

/**
 * How many requests have to be executed at once so that few wait: square-root staffing, `a + 1.5·√a` for the offered load
 * `a` = rate × service time, and what works off the requests that wait already.
 */
export function workersFor({ ratePerS, serviceMs = UNKNOWN_SERVICE_MS, waiting }: Demand): number {
  const load = (ratePerS * serviceMs) / 1_000;
  return load + SQUARE_ROOTS * Math.sqrt(load) + (waiting * serviceMs) / CATCH_UP_MS;
}

/** Replicas for a demand: none without any, else at least one. */
export const replicasFor = (demand: Demand): number =>
  isIdle(demand) ? 0 : Math.max(1, Math.ceil(workersFor(demand) / Math.max(1, demand.slots)));
