import { sleep, systemClock } from "../../shared/base/clock.ts";
import { isApiFailure } from "../api/problem.ts";
import type { CommandContext } from "../run.ts";

const POLL_MS = 500;

/** The time is over and the condition was not met. Recognise it by name. */
class WaitTimeout extends Error {
  constructor() {
    super("the condition was not met in time");
    this.name = "WaitTimeout";
  }
}

/**
 * Asks `isDone` twice a second until it says yes; throws `WaitTimeout` when the run's time for waiting is over. An answer
 * that says "not now" (429, 5xx) ends no wait: it is thrown when it was the last one in that time.
 */
export async function waitUntil(
  run: Pick<CommandContext, "signal" | "waitTimeoutMs">,
  isDone: () => Promise<boolean>,
  pollMs = POLL_MS,
): Promise<void> {
  const end = systemClock.now() + run.waitTimeoutMs;
  for (;;) {
    const isOver = systemClock.now() >= end;
    try {
      if (await isDone()) return;
    } catch (error) {
      if (isOver || !isPassing(error)) throw error;
    }
    if (isOver) throw new WaitTimeout();
    await sleep(systemClock, pollMs, run.signal);
  }
}

const isPassing = (error: unknown): boolean => isApiFailure(error) && (error.status === 429 || error.status >= 500);
