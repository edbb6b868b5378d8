import { z } from "zod";
import { answerDoubt, meansDoubtBelow } from "../../../protocol/answer-doubt.ts";
import { objectName } from "../common.ts";

/** Tokens of an answer that may be held back while its model's doubt is measured. */
export const MAX_DOUBT_TOKENS = 64;

/**
 * A deployment of a small model that has a large one behind it: callers name one model, and rules decide which requests the
 * large one answers.
 */
export const cascadeSpec = z
  .strictObject({
    to: objectName.describe(
      "The deployment of the large model. It is placed by its own specification, and answers its own callers too.",
    ),
    when: z
      .strictObject({
        doubt: z
          .strictObject({
            tokens: z
              .number()
              .int()
              .min(1)
              .max(MAX_DOUBT_TOKENS)
              .default(8)
              .describe("First tokens of the small model's answer that are measured. They are held back until then."),
            meanLogprob: z
              .number()
              .min(-100)
              .max(0)
              .describe("The large model is asked when the mean of their log-probabilities is below this."),
          })
          .optional()
          .describe(
            "Of models that write text: asks for the large model when the small one is in doubt. Not for models that an engine executes.",
          ),
        answer: answerDoubt
          .optional()
          .describe(
            "Of models of tensors: asks for the large model when the small one's answer is in doubt, by its scores. Any row in doubt counts. Not for models that an engine executes.",
          ),
        promptCharacters: z
          .number()
          .int()
          .min(1)
          .max(16_777_216)
          .optional()
          .describe(
            "Asks for the large model when the prompt has more characters, or does not fit the small one's context.",
          ),
      })
      .default({})
      .describe("What asks for the large model, beside a caller's `Skerry-Cascade: large`."),
    uploadBudget: z
      .strictObject({
        bytes: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
        seconds: z.number().int().min(1).max(2_678_400),
      })
      .optional()
      .describe(
        "Most bytes of requests that go to cloud nodes within so many seconds because of this cascade; each control plane counts its own. Default: any number.",
      ),
  })
  .describe("A larger model behind this one, for requests that this one should not answer.");
export type CascadeSpec = z.infer<typeof cascadeSpec>;

/** When the large model is asked, for a person: one clause for each rule. */
export function cascadeRules({ when: { doubt, answer, promptCharacters } }: CascadeSpec): readonly string[] {
  return [
    ...(doubt === undefined
      ? []
      : [
          `when the mean log-probability of the first ${doubt.tokens === 1 ? "token" : `${doubt.tokens} tokens`} is below ${doubt.meanLogprob}`,
        ]),
    ...(answer === undefined ? [] : [answerRule(answer)]),
    ...(promptCharacters === undefined
      ? []
      : [`when a prompt has more than ${promptCharacters} characters or does not fit the small model`]),
    "when a caller asks for it (`Skerry-Cascade: large`)",
  ];
}

function answerRule({ measure, threshold, output }: NonNullable<CascadeSpec["when"]["answer"]>): string {
  const of = output === undefined ? "its answer" : `its output "${output}"`;
  return `when the ${measure} of ${of} is ${meansDoubtBelow(measure) ? "below" : "above"} ${threshold}`;
}
