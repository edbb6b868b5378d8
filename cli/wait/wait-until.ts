import { sleep, systemClock } from "../../shared/base/clock.ts";
import type { CommandContext } from "../run.ts";

const POLL_MS = 500;

/** The time is over and the condition was not met. Recognise it by name. */
class WaitTimeout extends Error {
  constructor() {
    super("the condition was not met in time");
    this.name = "WaitTimeout";
  }
}

/** Asks `isDone` twice a second until it says yes; throws `WaitTimeout` when the run's time for waiting is over. */
export async function waitUntil(
  run: Pick<CommandContext, "signal" | "waitTimeoutMs">,
  isDone: () => Promise<boolean>,
  pollMs = POLL_MS,
): Promise<void> {
  const end = systemClock.now() + run.waitTimeoutMs;
  while (!(await isDone())) {
    if (systemClock.now() >= end) throw new WaitTimeout();
    await sleep(systemClock, pollMs, run.signal);
  }
}
