import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import { columnName, keepRows, need, numbersOf, withColumns } from "../../tables/columns.ts";

const bySigma = z.strictObject({
  mean: z.number(),
  std: z.number().positive(),
  deviations: z.number().positive().default(3),
});
const byQuartiles = z.strictObject({ q1: z.number(), q3: z.number(), factor: z.number().positive().default(1.5) });

const params = z.strictObject({
  /** Of each column what training saw: mean and standard deviation, or the quartiles. */
  columns: z.record(columnName, z.union([bySigma, byQuartiles])),
  /** `drop`: the row goes; `clamp`: the number becomes the bound; `missing`: it is missing; `refuse`: the request is refused. */
  how: z.enum(["drop", "clamp", "missing", "refuse"]),
});
type Rule = z.infer<typeof params>["columns"][string];

/** What becomes of numbers outside mean ± deviations × std, or outside q1 − factor × (q3 − q1) … q3 + factor × (q3 − q1), Tukey's fences. */
export const outliers = defineStep({
  name: "outliers",
  phase: "pre",
  takes: ["table"],
  params,
  check: (type, { columns }) => {
    for (const name of Object.keys(columns)) need(type, name, "number");
    return type;
  },
  build: (_type, { columns, how }) => {
    const fences = Object.entries(columns).map(([name, rule]) => ({ name, ...fencesOf(rule) }));
    return (table) => {
      if (how === "drop")
        return keepRows(table, (row) =>
          fences.every(({ name, low, high }) => !isOutside(numbersOf(table, name)[row] ?? Number.NaN, low, high)),
        );
      return withColumns(
        table,
        fences.map(({ name, low, high }) => {
          const kept = numbersOf(table, name).map((value, row) => {
            if (!isOutside(value, low, high)) return value;
            if (how === "refuse") throw new StepFault(`row ${row}, column ${name}: it is outside ${low} to ${high}`);
            return how === "missing" ? Number.NaN : Math.min(high, Math.max(low, value));
          });
          return [name, kept] as const;
        }),
      );
    };
  },
});

/** A missing number is no outlier. */
const isOutside = (value: number, low: number, high: number): boolean => value < low || value > high;

function fencesOf(rule: Rule): { readonly low: number; readonly high: number } {
  if ("mean" in rule) {
    const reach = rule.deviations * rule.std;
    return { low: rule.mean - reach, high: rule.mean + reach };
  }
  const reach = rule.factor * (rule.q3 - rule.q1);
  return { low: rule.q1 - reach, high: rule.q3 + reach };
}
