/**
 * When something happened to the streams of a node. `ageMs` is the time that its store has existed, counted by a clock that
 * nobody sets: items expire by it. `wallMs` is the calendar, ms since 1970, for people.
 */
export interface StreamTime {
  readonly ageMs: number;
  readonly wallMs: number;
}

/** A longer time off cannot be told from a calendar that was wrong before or is wrong now. */
const LONGEST_OFF_MS = 31 * 86_400_000;

/**
 * The age of a store that was `mark` old when it was last written, at a start now. The time in between is the calendar's
 * difference, when that is believable; else it counts as nothing: an item that lives too long is better than all items expired
 * because a device without a battery began in 1970.
 */
export function resumedAge(mark: StreamTime | undefined, wallNow: number): number {
  if (mark === undefined) return 0;
  const offMs = wallNow - mark.wallMs;
  return offMs > 0 && offMs <= LONGEST_OFF_MS ? mark.ageMs + offMs : mark.ageMs;
}
