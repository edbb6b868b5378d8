import { z } from "zod";
import { checkNumbers } from "../../limits.ts";
import { defineStep, StepFault } from "../../step.ts";
import { addByCount, addByTime, type KeptKey, keptKey, newKey, type WindowRows } from "../../stream/key-windows.ts";
import { KEY_BYTES, MAX_KEY_CHARACTERS, NUMBER_BYTES, type StepMemory } from "../../stream/stream-memory.ts";
import { columnName, MAX_COLUMNS, need, numbersOf } from "../../tables/columns.ts";
import { statistic, statisticOf } from "../../tables/statistics.ts";
import type { Column, ColumnType, ValueOf } from "../../values.ts";

const MAX_KEPT_ROWS = 8_192;
const MAX_KEYS = 500;
const DEFAULT_KEYS = 16;
/** Windows by time that one row may be in. */
const MAX_OVERLAP = 1_000;
const rows = z.number().int().min(1).max(MAX_KEPT_ROWS);
const time = z.strictObject({
  /** The column with the time of a row. Lengths are in its unit. */
  column: columnName,
  size: z.number().positive(),
  /** From the beginning of one window to that of the next; left out: windows do not overlap. */
  every: z.number().positive().optional(),
  /** Windows wait so long for rows that come late. */
  lateness: z.number().min(0).default(0),
  /** Rows of a key that are kept at most. */
  maxRows: rows,
});

const params = z
  .strictObject({
    /** Rows of one key make windows of their own; left out: all rows of the stream do. */
    key: columnName.optional(),
    /** Windows by count, and how many rows after one the next ends (left out: 1). */
    rows: rows.optional(),
    step: rows.optional(),
    /** Windows by count that are not full yet count, too; left out: they do not. */
    partial: z.boolean().optional(),
    /** Windows by time. */
    time: time.optional(),
    /** Columns of the result, beside the key. */
    columns: z.record(columnName, statistic),
    /** Keys of one stream that are kept (left out: `DEFAULT_KEYS`); the one that had no row for longest leaves first. */
    maxKeys: z.number().int().min(1).max(MAX_KEYS).optional(),
  })
  .check(({ value, issues }) => {
    const refuse = (field: string, message: string): void =>
      void issues.push({ code: "custom", message, path: [field], input: value });
    const { rows: size, step, time: timed, columns, key } = value;
    if ((size === undefined) === (timed === undefined))
      refuse("rows", "a window needs one bound: `rows`, or `time` with `size` and `maxRows`");
    if (size !== undefined && (step ?? 1) > size) refuse("step", "step is at most rows: no row is left out");
    if (timed !== undefined && step !== undefined) refuse("step", "windows by time have `every`");
    if (timed !== undefined && !isMultiple(timed.size, timed.every ?? timed.size))
      refuse("time", `size is every, or 2 to ${MAX_OVERLAP} times every`);
    if (Object.keys(columns).length > MAX_COLUMNS || Object.hasOwn(columns, key ?? ""))
      refuse("columns", "the key is a column of the result already");
  });
type Params = z.infer<typeof params>;

function isMultiple(size: number, every: number): boolean {
  const times = Math.round(size / every);
  return times >= 1 && times <= MAX_OVERLAP && Math.abs(times * every - size) <= 1e-9 * size;
}

const keptKeys = z.array(keptKey);

/**
 * Rows of a table in their order → a row for each window that ends with one of them, of what came on the same stream in this request
 * and before. By count a window ends with its last row. By time it ends when a row of its key is newer than its end by `lateness`; a row
 * whose windows have all ended is late, counts in none and is counted. Numbers as in `aggregate`.
 */
export const streamAggregate = defineStep({
  name: "stream-aggregate",
  phase: "pre",
  takes: ["table"],
  params,
  keptBytes: (given) => {
    const { rows: size, time: timed, key, maxKeys = DEFAULT_KEYS } = given;
    const width = columnsKept(given).length + (timed === undefined ? 0 : 1);
    const keys = key === undefined ? 1 : maxKeys;
    return keys * (KEY_BYTES + (size ?? timed?.maxRows ?? 0) * (2 + width * NUMBER_BYTES));
  },
  idleField: ({ key, maxKeys, time: timed, partial }) => {
    if (timed !== undefined && partial !== undefined)
      return "partial: it is for windows by count (`rows`); windows by `time` end by their time";
    return key === undefined && maxKeys !== undefined
      ? "maxKeys: without `key` it does nothing: leave it out"
      : undefined;
  },
  check: (type, { key, columns, time: timed }) => {
    if (key !== undefined) need(type, key);
    if (timed !== undefined) need(type, timed.column, "number");
    for (const each of Object.values(columns)) if (each.how !== "count") need(type, each.of, "number");
    const made = Object.keys(columns).map((name) => [name, "number"] as const);
    const keyType: Record<string, ColumnType> = key === undefined ? {} : { [key]: type.columns[key] ?? "text" };
    return { kind: "table", columns: { ...keyType, ...Object.fromEntries(made) } };
  },
  build: (type, given) => (table, memory) => {
    const { key, columns } = given;
    const windows = windowsOf(table, given, memory);
    const names = columnsKept(given);
    const first = given.time === undefined ? 0 : 1;
    const made = Object.entries(columns).map(([name, each]): [string, Column] => {
      const at = each.how === "count" ? -1 : first + names.indexOf(each.of);
      const numbers = ({ rows: of }: Ended): readonly number[] => of.map((row) => row[at] ?? Number.NaN);
      return [name, Float64Array.from(windows, (ended) => statisticOf(numbers(ended), ended.rows.length, each))];
    });
    const keys = key === undefined ? [] : [[key, keyColumn(windows, type.columns[key])] as [string, Column]];
    return { kind: "table", rows: windows.length, columns: new Map([...keys, ...made]) };
  },
});

/** Names of the columns whose numbers are kept, each once. */
const columnsKept = ({ columns }: Pick<Params, "columns">): readonly string[] => [
  ...new Set(Object.values(columns).flatMap((each) => (each.how === "count" ? [] : [each.of]))),
];

interface Ended {
  readonly key: KeptKey["key"];
  readonly rows: WindowRows;
}

function windowsOf(table: ValueOf<"table">, given: Params, memory: StepMemory): readonly Ended[] {
  const { rows: size, step = 1, partial = false, time: timed, maxKeys = DEFAULT_KEYS } = given;
  // The one that was used last is the last.
  const keys = new Map((keptKeys.safeParse(memory.kept).data ?? []).map((each) => [each.key, each]));
  const columns = [...(timed ? [timed.column] : []), ...columnsKept(given)].map((name) => numbersOf(table, name));
  const ended: Ended[] = [];
  let numbers = 0;
  const end = (key: KeptKey["key"], window: WindowRows): void => {
    checkNumbers((numbers += window.length * columns.length));
    ended.push({ key, rows: window });
  };
  for (let row = 0; row < table.rows; row += 1) {
    const key = keyAt(table, given.key, row);
    const of = keys.get(key) ?? newKey(key);
    keys.delete(key);
    keys.set(key, of);
    const [oldest] = keys.keys();
    if (keys.size > maxKeys && oldest !== undefined) {
      keys.delete(oldest);
      memory.addDropped({ keys: 1 });
    }
    const values = columns.map((column) => column[row] ?? Number.NaN);
    if (timed === undefined) {
      const window = addByCount(of, values, { rows: size ?? 1, step, partial });
      if (window !== undefined) end(key, window);
      continue;
    }
    if (!Number.isFinite(values[0])) throw new StepFault(`row ${row}: column ${timed.column} holds no time`);
    const { every = timed.size } = timed;
    const added = addByTime(of, values, { ...timed, every });
    for (const window of added.ended) end(key, window);
    if (added.isLate) memory.addLate(1);
    if (added.dropped > 0) memory.addDropped({ rows: added.dropped });
  }
  memory.kept = [...keys.values()];
  return ended;
}

/** A missing number is a key of its own, as is a missing text. */
function keyAt({ columns }: ValueOf<"table">, name: string | undefined, row: number): KeptKey["key"] {
  if (name === undefined) return null;
  const key = columns.get(name)?.[row] ?? "";
  if (typeof key === "number") return Number.isNaN(key) ? null : key;
  if (key.length > MAX_KEY_CHARACTERS)
    throw new StepFault(`row ${row}: the key has ${key.length} characters; ${MAX_KEY_CHARACTERS} are the most`);
  return key;
}

const keyColumn = (windows: readonly Ended[], type: ColumnType | undefined): Column =>
  type === "number"
    ? Float64Array.from(windows, ({ key }) => (typeof key === "number" ? key : Number.NaN))
    : windows.map(({ key }) => String(key ?? ""));
