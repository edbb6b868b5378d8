import { z } from "zod";

/**
 * Windows over the rows of one key, row after row. What comes out does not depend on how the rows were divided into requests. Pure.
 */

/** Of the rows of a window, in their order: a number for each column. */
export type WindowRows = readonly (readonly number[])[];

/** By count: `rows` rows, and `step` from the end of one window to that of the next. */
export interface CountWindows {
  readonly rows: number;
  readonly step: number;
  /** Windows that are not full yet count, too. */
  readonly partial: boolean;
}

/** By event time, in the unit of its column. Windows begin at multiples of `every`; `size` is a multiple of it. */
export interface TimeWindows {
  readonly size: number;
  readonly every: number;
  /** A window ends so long after its end, by the newest time of its key. */
  readonly lateness: number;
  readonly maxRows: number;
}

/** A number that is missing or not finite is null in JSON, and missing from then on. */
const numbers = z.array(z.number().nullable());
/** What is kept of a key. `newest` and `closed` of windows by time: the newest time, and the last window that has ended, by its number. */
export const keptKey = z.object({
  key: z.union([z.string(), z.number()]).nullable(),
  seen: z.number(),
  rows: z.array(numbers),
  newest: z.number().nullable(),
  closed: z.number().nullable(),
});
export type KeptKey = z.infer<typeof keptKey>;

export const newKey = (key: KeptKey["key"]): KeptKey => ({ key, seen: 0, rows: [], newest: null, closed: null });

const rowsOf = (rows: KeptKey["rows"]): WindowRows => rows.map((row) => row.map((value) => value ?? Number.NaN));
const kept = (row: readonly number[]): (number | null)[] => row.map((value) => (Number.isFinite(value) ? value : null));

/** Takes a row into `of`, and returns the window that ends with it, if one does. */
export function addByCount(of: KeptKey, row: readonly number[], windows: CountWindows): WindowRows | undefined {
  const { rows, step, partial } = windows;
  of.seen += 1;
  of.rows.push(kept(row));
  if (of.rows.length > rows) of.rows.shift();
  const isEnd = (of.seen - rows) % step === 0 && (partial || of.seen >= rows);
  return isEnd ? rowsOf(of.rows) : undefined;
}

/** Windows that end with a row, in the order of their ends. */
export interface TimedRow {
  readonly ended: readonly WindowRows[];
  /** All windows of the row had ended: it counts in none. */
  readonly isLate: boolean;
  /** Rows that left before all their windows had ended, as there were more than `maxRows`. */
  readonly dropped: number;
}

/**
 * Takes a row into `of`; its first number is its time. A window ends when a row of its key is newer than its end by `lateness`; one
 * without rows is passed over. The rows of a window are in the order of their times.
 */
export function addByTime(of: KeptKey, row: readonly number[], windows: TimeWindows): TimedRow {
  const { every, lateness, maxRows } = windows;
  const [time = Number.NaN] = row;
  const length = Math.round(windows.size / every);
  const closed = of.closed ?? -Infinity;
  // The last window that a row is in begins with the row's own pane of length `every`.
  const lastOf = (at: number): number => Math.floor(at / every);
  if (lastOf(time) <= closed) return { ended: [], isLate: true, dropped: 0 };
  const at = of.rows.findLastIndex(([other]) => (other ?? 0) <= time);
  of.rows.splice(at + 1, 0, kept(row));
  of.newest = Math.max(of.newest ?? -Infinity, time);
  const closing = Math.floor((of.newest - lateness) / every) - length;
  const ended = closing > closed ? endedBetween(of.rows, { closed, closing, length, lastOf }) : [];
  if (closing > closed) of.closed = closing;
  of.rows = of.rows.filter(([other]) => lastOf(other ?? 0) > (of.closed ?? -Infinity));
  const dropped = Math.max(0, of.rows.length - maxRows);
  of.rows.splice(0, dropped);
  return { ended, isLate: false, dropped };
}

/** Windows with rows whose numbers are above `closed`, up to `closing`. */
function endedBetween(
  rows: KeptKey["rows"],
  how: {
    readonly closed: number;
    readonly closing: number;
    readonly length: number;
    readonly lastOf: (time: number) => number;
  },
): readonly WindowRows[] {
  const { closed, closing, length, lastOf } = how;
  const found = new Set<number>();
  for (const [time] of rows) {
    const last = lastOf(time ?? 0);
    for (let window = Math.max(last - length, closed) + 1; window <= Math.min(last, closing); window += 1)
      found.add(window);
  }
  return [...found]
    .toSorted((a, b) => a - b)
    .map((window) =>
      rowsOf(
        rows.filter(([time]) => {
          const last = lastOf(time ?? 0);
          return last >= window && last < window + length;
        }),
      ),
    );
}
