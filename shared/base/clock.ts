/**
 * Time as an argument. `now` only goes forward, so a deadline survives an operator who sets the machine's date;
 * `wallNow` is for people and for rows, never for a deadline.
 */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. */
  now(): number;
  /** Milliseconds since 1970 by the machine's calendar. */
  wallNow(): number;
  /** Calls back once after `ms`, soon when that is past. Returns the way to call it off, which may be called any number of times. */
  after(ms: number, callback: () => void): () => void;
}

/** The machine's own clock: what `main.ts` passes in. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  after(ms, callback) {
    // A busy machine comes to this when the time is past, and Node warns of a negative one on standard error.
    const timer = setTimeout(callback, Math.max(0, ms));
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`; rejects with the signal's reason as soon as it is aborted. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortReason(signal));
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    const onAbort = (): void => {
      cancel();
      reject(abortReason(signal));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

function abortReason(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new Error("aborted");
}
