import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import type { TypeOf } from "../../values.ts";
import { columnName, need, textsOf, withColumns } from "../../tables/columns.ts";

const MAX_WORDS = 65_536;
const params = z.strictObject({
  /** Of texts. */
  column: columnName,
  /** Each text becomes its place here. */
  words: z.array(z.string().max(256)).min(1).max(MAX_WORDS),
  /** What another text becomes; left out: the request is refused. */
  unknown: z.number().int().min(-1).max(MAX_WORDS).optional(),
});

/** A column of texts → the numbers of its texts in a list; as scikit-learn's `OrdinalEncoder` with these `categories_`. */
export const vocabulary = defineStep({
  name: "vocabulary",
  phase: "pre",
  takes: ["table"],
  params,
  check: (type, { column }): TypeOf<"table"> => {
    need(type, column, "text");
    return { kind: "table", columns: { ...type.columns, [column]: "number" } };
  },
  build: (_type, { column, words, unknown }) => {
    const places = new Map(words.map((word, at) => [word, at]));
    return (table) => {
      const numbers = textsOf(table, column).map((text, row) => {
        const place = places.get(text) ?? unknown;
        if (place === undefined) throw new StepFault(`row ${row}, column ${column}: it is no word of the vocabulary`);
        return place;
      });
      return withColumns(table, [[column, Float64Array.from(numbers)]]);
    };
  },
});
