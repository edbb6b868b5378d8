/**
 * Whether a large model is asked at all, by how its last answers went. Times in ms.
 *
 *   closed    it is asked. Five failures in a row → open
 *   open      it is not asked, for 10 s, twice as long after each time without a success in between, at most 5 min. After
 *             that time the next request → trying
 *   trying    one request tries it. Its answer begins → closed, and one failure is enough to open it again; it fails → open
 */
export type Breaker =
  | { readonly state: "closed"; readonly failures: number; readonly timesOpened: number }
  | { readonly state: "open"; readonly until: number; readonly timesOpened: number }
  | { readonly state: "trying"; readonly since: number; readonly timesOpened: number };

export const CLOSED: Breaker = { state: "closed", failures: 0, timesOpened: 0 };

export const OPENS_AFTER = 5;
const OPEN_MS = 10_000;
const OPEN_AT_MOST_MS = 300_000;
/** A trial of which nothing was heard for so long is over: no request has a longer deadline. */
const TRIAL_MS = 60_000;
/** Control planes that share a large model do not try it at the same moment. */
const SPREAD = 0.2;

/** Whether a request may be sent to the large model. */
export function admits(breaker: Breaker, now: number): boolean {
  if (breaker.state === "closed") return true;
  return breaker.state === "open" ? now >= breaker.until : now - breaker.since >= TRIAL_MS;
}

/** A request that `admits` let through is sent. */
export const sent = (breaker: Breaker, now: number): Breaker =>
  breaker.state === "closed" ? breaker : { state: "trying", since: now, timesOpened: breaker.timesOpened };

/** An answer has begun. */
export const began = (breaker: Breaker): Breaker =>
  breaker.state === "trying"
    ? { state: "closed", failures: OPENS_AFTER - 1, timesOpened: breaker.timesOpened }
    : breaker;

/** An answer is whole. */
export const completed = (breaker: Breaker): Breaker => (breaker.state === "closed" ? CLOSED : breaker);

/** A request ended in a fault of the large model. `chance`: from 0 to below 1. */
export function failed(breaker: Breaker, now: number, chance: number): Breaker {
  if (breaker.state === "open") return breaker;
  const { timesOpened } = breaker;
  const failures = breaker.state === "closed" ? breaker.failures + 1 : OPENS_AFTER;
  if (failures < OPENS_AFTER) return { state: "closed", failures, timesOpened };
  const ms = Math.min(OPEN_AT_MOST_MS, OPEN_MS * 2 ** Math.min(timesOpened, 10));
  return { state: "open", until: now + ms * (1 - SPREAD + 2 * SPREAD * chance), timesOpened: timesOpened + 1 };
}

/** A request ended without saying anything about the large model. */
export const undecided = (breaker: Breaker, now: number): Breaker =>
  breaker.state === "trying" ? { state: "open", until: now, timesOpened: breaker.timesOpened } : breaker;
