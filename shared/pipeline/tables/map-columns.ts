import { z } from "zod";
import { defineStep, type StepKind } from "../step.ts";
import { columnName, need, numbersOf, withColumns } from "./columns.ts";

/** A step that makes of each number of some columns another one, by a rule for each column. */
export const mapColumns = <Rule>(step: {
  readonly name: string;
  readonly rule: z.ZodType<Rule>;
  readonly map: (value: number, rule: Rule) => number;
}): StepKind =>
  defineStep({
    name: step.name,
    phase: "pre",
    takes: ["table"],
    params: z.strictObject({ columns: z.record(columnName, step.rule) }),
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
            ([name, rule]) => [name, numbersOf(table, name).map((value) => step.map(value, rule))] as const,
          ),
        ),
  });
