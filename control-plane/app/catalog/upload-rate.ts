import type { Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";

/** An upload that is slower than 64 KiB/s over 30 s is cut off: a drip would hold its connection without end. It may continue. */
export const RATE_WINDOW_MS = 30_000;
export const MIN_WINDOW_BYTES = 64 * 1024 * 30;

/**
 * Passes the bytes on, and throws `UPLOAD_INCOMPLETE` when 30 s of waiting for the sender brought too few. The time that
 * our disk takes does not count. The source is told to stop, whichever way this ends.
 */
export async function* withMinimumRate(bytes: AsyncIterable<Uint8Array>, clock: Clock): AsyncGenerator<Uint8Array> {
  const iterator = bytes[Symbol.asyncIterator]();
  let waitedMs = 0;
  let arrived = 0;
  try {
    let pending = iterator.next();
    for (;;) {
      const since = clock.now();
      const next = await within(pending, RATE_WINDOW_MS - waitedMs, clock);
      waitedMs += clock.now() - since;
      if (next?.done === true) return;
      if (next) {
        arrived += next.value.length;
        yield next.value;
        pending = iterator.next();
      }
      if (waitedMs < RATE_WINDOW_MS) continue;
      if (arrived < MIN_WINDOW_BYTES) throw tooSlow(arrived);
      waitedMs = 0;
      arrived = 0;
    }
  } finally {
    // Not awaited: a source that is stuck in `next` would not answer.
    iterator.return?.().catch(() => undefined);
  }
}

/** What `work` gives; undefined when it takes longer than `ms`, and then `work` may be waited for again. */
function within<Result>(work: Promise<Result>, ms: number, clock: Clock): Promise<Result | undefined> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => resolve(undefined));
    work.then(resolve, reject).finally(cancel);
  });
}

const tooSlow = (arrived: number): SkerryError =>
  new SkerryError(
    "UPLOAD_INCOMPLETE",
    `${arrived} bytes arrived in ${RATE_WINDOW_MS / 1_000} s, fewer than ${MIN_WINDOW_BYTES}: the connection was cut off; what arrived stays`,
  );
