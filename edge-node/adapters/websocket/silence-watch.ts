import type { Clock } from "../../../shared/base/clock.ts";
import { Silence } from "../../core/silence.ts";

const TICK_MS = 1_000;

/** Calls `onTick` every second with how long the given source of bytes has been silent, until it is stopped. */
export function watchSilence(clock: Clock, lastByteAt: () => number, onTick: (silentMs: number) => void): () => void {
  const silence = new Silence(TICK_MS, clock.now());
  let cancel = (): void => undefined;
  const next = (): void => {
    cancel = clock.after(TICK_MS, () => {
      next();
      onTick(silence.tick(clock.now(), lastByteAt()));
    });
  };
  next();
  return () => cancel();
}
