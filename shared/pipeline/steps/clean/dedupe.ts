import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import { KEY_BYTES, MAX_KEY_CHARACTERS, type StepMemory } from "../../stream/stream-memory.ts";
import { columnNames, keepRows, need } from "../../tables/columns.ts";
import type { ValueOf } from "../../values.ts";

const MAX_REMEMBERED = 500;
const params = z
  .strictObject({
    /** Rows that are equal in these columns are one. */
    by: columnNames,
    keep: z.enum(["first", "last"]).default("first"),
    /** `stream`: rows of earlier requests of the same stream count, too. */
    over: z.enum(["request", "stream"]).default("request"),
    /** Over a stream: how many different rows are remembered, those that came last. */
    remember: z.number().int().min(1).max(MAX_REMEMBERED).optional(),
  })
  .check(({ value, issues }) => {
    const { over, remember, keep } = value;
    const refuse = (field: string, message: string): void =>
      void issues.push({ code: "custom", message, path: [field], input: value });
    if (over === "stream" && remember === undefined)
      refuse(
        "remember",
        `over a stream it needs a bound: how many different rows are remembered, at most ${MAX_REMEMBERED}`,
      );
    if (over === "request" && remember !== undefined)
      refuse("remember", "a request alone has no need of it: over: stream");
    if (over === "stream" && keep === "last")
      refuse("keep", "over a stream the first row counts: the last one is not known yet");
  });

const kept = z.array(z.string());

/**
 * One row of those that are equal in some columns; within a request as pandas' `drop_duplicates`. Over a stream a row goes that is
 * equal to one of the last `remember` different ones; the one that was not seen for longest is forgotten first.
 */
export const dedupe = defineStep({
  name: "dedupe",
  phase: "pre",
  takes: ["table"],
  params,
  keptBytes: ({ over, remember = 0 }) => (over === "stream" ? remember * KEY_BYTES : 0),
  check: (type, { by }) => {
    for (const name of by) need(type, name);
    return type;
  },
  build:
    (_type, { by, keep, over, remember = 0 }) =>
    (table, memory) =>
      over === "stream" ? firstOfStream(table, by, { remember, memory }) : oneOfRequest(table, by, keep),
});

const keyOf = (table: ValueOf<"table">, by: readonly string[], row: number): string =>
  JSON.stringify(by.map((name) => String(table.columns.get(name)?.[row])));

function oneOfRequest(table: ValueOf<"table">, by: readonly string[], keep: "first" | "last"): ValueOf<"table"> {
  const found = new Map<string, number>();
  for (let row = 0; row < table.rows; row += 1) {
    const key = keyOf(table, by, row);
    if (keep === "last" || !found.has(key)) found.set(key, row);
  }
  const rows = new Set(found.values());
  return keepRows(table, (row) => rows.has(row));
}

function firstOfStream(
  table: ValueOf<"table">,
  by: readonly string[],
  { remember, memory }: { readonly remember: number; readonly memory: StepMemory },
): ValueOf<"table"> {
  const seen = new Set(kept.safeParse(memory.kept).data);
  const made = keepRows(table, (row) => {
    const key = keyOf(table, by, row);
    if (key.length > MAX_KEY_CHARACTERS)
      throw new StepFault(
        `row ${row}: ${by.join(", ")} have ${key.length} characters; ${MAX_KEY_CHARACTERS} are the most`,
      );
    const isNew = !seen.delete(key);
    seen.add(key);
    const [oldest] = seen;
    if (seen.size > remember && oldest !== undefined) {
      seen.delete(oldest);
      memory.addDropped({ keys: 1 });
    }
    return isNew;
  });
  memory.kept = [...seen];
  return made;
}
