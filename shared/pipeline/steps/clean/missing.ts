import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import {
  columnNames,
  keepRows,
  need,
  numberColumns,
  numbersOf,
  withColumns,
  columnName,
} from "../../tables/columns.ts";

const params = z
  .strictObject({
    /** `fill`: by the numbers of `values`; `previous`: by the row before; `drop`: the row goes; `refuse`: the request does. */
    how: z.enum(["fill", "previous", "drop", "refuse"]),
    /** With `fill`: the number of each column, such as the mean or median that training saw. */
    values: z.record(columnName, z.number()).optional(),
    /** Without `fill`: columns that are looked at; left out: all of numbers. */
    columns: columnNames.optional(),
  })
  .check(({ value, issues }) => {
    if (
      (value.how === "fill") !== (value.values !== undefined) ||
      (value.how === "fill" && value.columns !== undefined)
    )
      issues.push({ code: "custom", message: "`fill` has values, and the others may have columns", input: value });
  });

/** What becomes of missing numbers in a table; as scikit-learn's `SimpleImputer` with its stored statistics for `fill`. */
export const missing = defineStep({
  name: "missing",
  phase: "pre",
  takes: ["table"],
  params,
  check: (type, { values = {}, columns = [] }) => {
    for (const name of [...Object.keys(values), ...columns]) need(type, name, "number");
    return type;
  },
  build: (type, { how, values = {}, columns }) => {
    const names = how === "fill" ? Object.keys(values) : (columns ?? numberColumns(type));
    return (table) => {
      if (how === "drop")
        return keepRows(table, (row) => names.every((name) => !Number.isNaN(numbersOf(table, name)[row])));
      return withColumns(
        table,
        names.map((name) => {
          const filled = Float64Array.from(numbersOf(table, name));
          for (let row = 0; row < filled.length; row += 1) {
            if (!Number.isNaN(filled[row])) continue;
            const by = how === "fill" ? values[name] : how === "previous" ? filled[row - 1] : undefined;
            if (by === undefined || Number.isNaN(by))
              throw new StepFault(`row ${row}, column ${name}: the number is missing`);
            filled[row] = by;
          }
          return [name, filled] as const;
        }),
      );
    };
  },
});
