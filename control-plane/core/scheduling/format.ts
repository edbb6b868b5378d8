/** A duration as people say it: `3 s`, `14 min`, `2 h`, `5 d`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, ms) / 1_000;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** `1 node`, `3 nodes`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** So many of a list are named. */
const SHOWN = 3;

/** The first of a list, and how many more there are: a sentence does not grow with the fleet. */
export const listed = (items: readonly string[], separator = ", "): string =>
  items.length <= SHOWN
    ? items.join(separator)
    : `${items.slice(0, SHOWN).join(separator)} and ${items.length - SHOWN} more`;
