const AT_LEAST_MS = 1_000;
const TIMES_EXPECTED = 10;

/** A node that reported so lately is not frozen, in ms: it reports each second while it serves, later on a busy machine. */
const ALIVE_MS = 3_000;
/** How long until it is looked at again, in ms. */
const LOOK_AGAIN_MS = 500;

/**
 * Until when an attempt may go on after its timeout, in ms; undefined: another node is to be asked. The request that runs at
 * a live node needs a long run, and would at another node too: repeated there, it would block that node as well.
 */
export const longRunUntil = (
  { isFirst, reportedAt }: { readonly isFirst: boolean; readonly reportedAt: number },
  now: number,
): number | undefined => (isFirst && now - reportedAt < ALIVE_MS ? now + LOOK_AGAIN_MS : undefined);

/**
 * How long an attempt may take before another node is asked instead, in ms. A frozen node keeps its socket open, and
 * without this its requests would wait for their whole deadline while idle nodes stand by.
 */
export const attemptTimeoutMs = (etaMs: number): number => Math.max(AT_LEAST_MS, TIMES_EXPECTED * etaMs);
