import { z } from "zod";
import { defineStep } from "../../step.ts";
import { KEY_BYTES } from "../../stream/stream-memory.ts";
import { column, eitherOf, label, needColumn, scoresOf } from "./scores.ts";

const params = z
  .strictObject({
    /** From this score on it is `above`, until a score is below `fall`. */
    rise: z.number(),
    fall: z.number(),
    above: label,
    below: label,
    column,
    /** `stream`: a request goes on where the one before it of the same stream ended. */
    over: z.enum(["request", "stream"]).default("request"),
  })
  .check(({ value, issues }) => {
    if (value.fall > value.rise)
      issues.push({ code: "custom", message: "fall is at most rise", path: ["fall"], input: value });
  });

/**
 * FP32 or FP64 [rows] or [rows, columns], rows in the order of time → a label that does not flicker between two thresholds (a Schmitt
 * trigger). A request begins `below`, and over a stream its first one. Confidence is the score when it is above, else 1 − score.
 */
export const hysteresis = defineStep({
  name: "hysteresis",
  phase: "decide",
  takes: ["tensor"],
  params,
  keptBytes: ({ over }) => (over === "stream" ? KEY_BYTES : 0),
  check: (type, given) => {
    needColumn(type, given.column);
    return { kind: "decision" };
  },
  build:
    (_type, { rise, fall, column: counts, over, ...either }) =>
    (value, memory) => {
      let isAbove = over === "stream" && memory.kept === true;
      const next = (score: number): boolean => (isAbove = isAbove ? score >= fall : score >= rise);
      const decision = eitherOf(scoresOf(value, counts), next, either);
      if (over === "stream") memory.kept = isAbove;
      return decision;
    },
});
