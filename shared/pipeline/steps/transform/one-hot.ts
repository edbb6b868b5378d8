import { z } from "zod";
import { checkNumbers } from "../../limits.ts";
import { defineStep, StepFault } from "../../step.ts";
import { columnName, MAX_COLUMNS, need, textsOf } from "../../tables/columns.ts";
import type { Column } from "../../values.ts";

const params = z.strictObject({
  /** Of texts. */
  column: columnName,
  /** Each becomes a column `column=category`, in this order. */
  categories: z.array(z.string().max(256)).min(1).max(MAX_COLUMNS),
  /** Of another text: the request is refused, or all columns are 0. */
  unknown: z.enum(["refuse", "ignore"]).default("refuse"),
});

/** A column of texts → columns of 0 and 1 in its place; as scikit-learn's `OneHotEncoder` with these `categories_`. */
export const oneHot = defineStep({
  name: "one-hot",
  phase: "pre",
  takes: ["table"],
  params,
  check: (type, { column, categories }) => {
    need(type, column, "text");
    const { [column]: _replaced, ...others } = type.columns;
    const added = categories.map((category) => [`${column}=${category}`, "number"] as const);
    return { kind: "table", columns: { ...others, ...Object.fromEntries(added) } };
  },
  build:
    (_type, { column, categories, unknown }) =>
    (table) => {
      checkNumbers(table.rows * categories.length);
      const texts = textsOf(table, column);
      const found = texts.map((text, row) => {
        const at = categories.indexOf(text);
        if (at === -1 && unknown === "refuse")
          throw new StepFault(`row ${row}, column ${column}: it is none of the categories`);
        return at;
      });
      const columns = new Map<string, Column>(table.columns);
      columns.delete(column);
      for (const [at, category] of categories.entries())
        columns.set(
          `${column}=${category}`,
          Float64Array.from(found, (each) => Number(each === at)),
        );
      return { kind: "table", rows: table.rows, columns };
    },
});
