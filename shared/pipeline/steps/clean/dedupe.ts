import { z } from "zod";
import { defineStep } from "../../step.ts";
import { columnNames, keepRows, need } from "../../tables/columns.ts";

const params = z.strictObject({
  /** Rows that are equal in these columns are one. */
  by: columnNames,
  keep: z.enum(["first", "last"]).default("first"),
});

/** One row of those that are equal in some columns; as pandas' `drop_duplicates`. */
export const dedupe = defineStep({
  name: "dedupe",
  phase: "pre",
  takes: ["table"],
  params,
  check: (type, { by }) => {
    for (const name of by) need(type, name);
    return type;
  },
  build:
    (_type, { by, keep }) =>
    (table) => {
      const kept = new Map<string, number>();
      for (let row = 0; row < table.rows; row += 1) {
        const key = JSON.stringify(by.map((name) => String(table.columns.get(name)?.[row])));
        if (keep === "last" || !kept.has(key)) kept.set(key, row);
      }
      const rows = new Set(kept.values());
      return keepRows(table, (row) => rows.has(row));
    },
});
