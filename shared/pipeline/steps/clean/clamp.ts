import { z } from "zod";
import { defineStep } from "../../step.ts";
import { columnName, need, numbersOf, withColumns } from "../../tables/columns.ts";

const params = z.strictObject({
  /** The smallest and the largest number that a column keeps. */
  columns: z.record(columnName, z.strictObject({ min: z.number().optional(), max: z.number().optional() })),
});

/** Numbers beyond a bound become the bound; as `numpy.clip`. A missing one stays missing. */
export const clamp = defineStep({
  name: "clamp",
  phase: "pre",
  takes: ["table"],
  params,
  check: (type, { columns }) => {
    for (const name of Object.keys(columns)) need(type, name, "number");
    return type;
  },
  build:
    (_type, { columns }) =>
    (table) =>
      withColumns(
        table,
        Object.entries(columns).map(
          ([name, { min = -Infinity, max = Infinity }]) =>
            [name, numbersOf(table, name).map((value) => Math.min(max, Math.max(min, value)))] as const,
        ),
      ),
});
