import { minutesOf, weekday, type FreezeWindow, type Weekday } from "../../../shared/api/v1/rollouts/freeze-window.ts";

/** The first of the windows that `at` (ms since 1970) is in; undefined: it is in none. */
export const frozenBy = (windows: readonly FreezeWindow[], at: number): FreezeWindow | undefined =>
  windows.find((window) => isIn(window, at));

/** `sat, sun 00:00–24:00 (Europe/Berlin)` */
export function windowText({ days, from, to, timezone }: FreezeWindow): string {
  const on = days.length === weekday.options.length ? "every day" : days.join(", ");
  return `${on} ${from}–${to} (${timezone})`;
}

function isIn({ days, from, to, timezone }: FreezeWindow, at: number): boolean {
  const { day, minute } = localTime(at, timezone);
  const [begins, ends] = [minutesOf(from), minutesOf(to)];
  if (begins < ends) return days.includes(day) && minute >= begins && minute < ends;
  return (days.includes(day) && minute >= begins) || (days.includes(dayBefore(day)) && minute < ends);
}

const dayBefore = (day: Weekday): Weekday => weekday.options.at(weekday.options.indexOf(day) - 1) ?? day;

/** One costs some 50 µs to make, and a rollout that waits asks each second. As many as there are time zones. */
const formats = new Map<string, Intl.DateTimeFormat>();

/** What the clocks of a time zone show: the runtime knows the rules of the zones, summer time included. */
function localTime(at: number, timezone: string): { readonly day: Weekday; readonly minute: number } {
  let format = formats.get(timezone);
  if (!format) {
    const shown = { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
    format = new Intl.DateTimeFormat("en-GB", { ...shown, timeZone: timezone });
    formats.set(timezone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const day = weekday.parse(parts["weekday"]?.toLowerCase());
  return { day, minute: 60 * Number(parts["hour"]) + Number(parts["minute"]) };
}
