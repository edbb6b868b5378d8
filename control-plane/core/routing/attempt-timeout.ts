const AT_LEAST_MS = 1_000;
const TIMES_EXPECTED = 10;

/**
 * How long an attempt may take before another node is asked instead, in ms. A frozen node keeps its socket open, and
 * without this its requests would wait for their whole deadline while idle nodes stand by.
 */
export const attemptTimeoutMs = (etaMs: number): number => Math.max(AT_LEAST_MS, TIMES_EXPECTED * etaMs);
