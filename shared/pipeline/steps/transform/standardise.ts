import { z } from "zod";
import { defineStep } from "../../step.ts";
import { columnName, need, numbersOf, withColumns } from "../../tables/columns.ts";

const params = z.strictObject({
  /** Of each column what training saw: `mean_` and `scale_` of scikit-learn's `StandardScaler`. */
  columns: z.record(columnName, z.strictObject({ mean: z.number(), scale: z.number().positive() })),
});

/** Numbers → (number − mean) ÷ scale, in FP64, as scikit-learn's `StandardScaler` computes it. */
export const standardise = defineStep({
  name: "standardise",
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
          ([name, { mean, scale }]) => [name, numbersOf(table, name).map((value) => (value - mean) / scale)] as const,
        ),
      ),
});
