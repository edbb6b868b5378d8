const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A length of time in its largest unit, as an operator reads it: `now`, `12 s`, `3 min`, `5 h`, `2 d`. */
export function ageText(ms: number): string {
  if (!Number.isFinite(ms) || ms < SECOND) return "now";
  if (ms < 100 * SECOND) return `${Math.floor(ms / SECOND)} s`;
  if (ms < 100 * MINUTE) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)} h`;
  return `${Math.floor(ms / DAY)} d`;
}

/** `ageText` as a sentence's end: `12 s ago`, `now`. */
export const agoText = (ms: number): string => (ms < SECOND ? "now" : `${ageText(ms)} ago`);

/** How long until the text of an age differs, in ms: so long a page need not be drawn again. */
export function untilNextAge(ms: number): number {
  if (ms < 100 * SECOND) return SECOND - (Math.max(0, ms) % SECOND);
  if (ms < 100 * MINUTE) return MINUTE - (ms % MINUTE);
  return HOUR - (ms % HOUR);
}

/** Beyond which length a text of `leftText` counts in this unit; the largest first. */
const LEFT_UNITS: readonly (readonly [beyondMs: number, unitMs: number])[] = [
  [99 * MINUTE, HOUR],
  [99 * SECOND, MINUTE],
];

const leftUnit = (ms: number): readonly [beyondMs: number, unitMs: number] =>
  LEFT_UNITS.find(([beyond]) => ms > beyond) ?? [0, SECOND];

/** How long it is until something, rounded up, so that ten minutes read `10 min` when they begin: `now`, `12 s`, `10 min`, `5 h`. */
export function leftText(ms: number): string {
  const [, unit] = leftUnit(ms);
  return ms <= 0 ? "now" : ageText(Math.ceil(ms / unit) * unit);
}

/** How long until `leftText` of more than 0 ms differs, in ms. */
export function untilNextLeft(ms: number): number {
  const [beyond, unit] = leftUnit(ms);
  return Math.min(ms - beyond, ((ms - 1) % unit) + 1);
}
