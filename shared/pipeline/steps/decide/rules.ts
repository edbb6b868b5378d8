import { z } from "zod";
import { defineStep } from "../../step.ts";

const label = z.string().min(1).max(256);
const MAX_RULES = 256;
const params = z.strictObject({
  /** The first whose conditions all hold gives the label; a row to which none applies keeps its own. */
  table: z
    .array(
      z
        .strictObject({
          label: label.optional(),
          /** The confidence is below this, or not below that. */
          below: z.number().optional(),
          from: z.number().optional(),
          becomes: label,
        })
        .refine(
          ({ label: of, below, from }) => of !== undefined || below !== undefined || from !== undefined,
          "a rule has label, below or from",
        ),
    )
    .min(1)
    .max(MAX_RULES),
});

/** A decision → another label by a table of rules on label and confidence; for example `unsure` of all below 0.6. Confidence stays. */
export const rules = defineStep({
  name: "rules",
  phase: "decide",
  takes: ["decision"],
  params,
  check: () => ({ kind: "decision" }),
  build:
    (_type, { table }) =>
    ({ labels, confidence }) => ({
      kind: "decision",
      labels: labels.map((own, row) => {
        const sure = confidence[row] ?? 0;
        const rule = table.find(
          ({ label: of = own, below = Infinity, from = -Infinity }) => of === own && sure < below && sure >= from,
        );
        return rule?.becomes ?? own;
      }),
      confidence,
    }),
});
