import { z } from "zod";
import { pathFault } from "./bundle.ts";

/**
 * Variants of a version: further graphs of its bundle with the same inputs and outputs, in other arithmetic (int8, fp16). The
 * graph that `main` names is the reference. A node gets one of them.
 */

/** The document of a bundle that names its variants, beside the reference. */
export const VARIANTS_FILE = "variants.yaml";
export const MAX_VARIANTS_BYTES = 16_384;
const MAX_VARIANTS = 8;

/** What the main graph is called where a variant is named. */
export const REFERENCE = "reference";
/** Lets the planner choose for each node. */
export const AUTO_VARIANT = "auto";

const RESERVED: readonly string[] = [REFERENCE, AUTO_VARIANT];

export const variantName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, "a name begins with a lower-case letter and has at most 32 of a-z, 0-9 and `-`");

const file = z.string().check((context) => {
  const fault = pathFault(context.value);
  if (fault !== undefined) context.issues.push({ code: "custom", message: fault, input: context.value });
});

export const variantsDocument = z
  .strictObject({
    /** In the order in which a node without room for the reference prefers them. */
    variants: z
      .array(
        z.strictObject({
          name: variantName.refine((name) => !RESERVED.includes(name), "`reference` and `auto` are taken"),
          /** Path of the graph in the bundle. */
          file,
        }),
      )
      .min(1)
      .max(MAX_VARIANTS)
      .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, "two variants have one name")
      .refine((all) => new Set(all.map((each) => each.file)).size === all.length, "two variants have one file"),
    /** How near a variant has to be to the reference on the samples of the bundle. */
    accuracy: z
      .strictObject({
        /** Share of the samples for which both decide alike. */
        minAgreement: z.number().min(0).max(1).default(0.99),
        /** Largest difference between two numbers of the outputs. Default: any. */
        maxDifference: z.number().min(0).optional(),
      })
      .default({ minAgreement: 0.99 }),
  })
  .readonly();
export type VariantsDocument = z.infer<typeof variantsDocument>;

/** What is wrong with a document of variants, and where. */
export function variantsFault({ issues }: z.ZodError): string {
  const [issue] = issues;
  const field = issue?.path.map(String).join(".") ?? "";
  return `${field === "" ? "" : `${field}: `}${issue?.message ?? "it does not fit"}`.slice(0, 300);
}

/** How near a variant was to the reference when its version was published. */
export const variantAccuracy = z.object({
  samples: z.number().int().min(1).describe("Rows of `samples.npz` that both were asked."),
  agreement: z
    .number()
    .nullable()
    .describe(
      "Share of the samples for which both decide alike: the same largest number of a row, or the same label. Null: no output holds a decision.",
    ),
  maxDifference: z.number().describe("Largest difference between two numbers of the outputs."),
});
export type VariantAccuracy = z.infer<typeof variantAccuracy>;

/** A variant of a published version. The first of a list is the reference. */
export const variantFacts = z.object({
  name: variantName,
  main: z.string().describe("Path of its graph in the bundle."),
  bytes: z.number().int().describe("Of the files that a node gets for it."),
  artifact: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/)
    .describe("Digest of the manifest that a node gets for it."),
  opset: z.number().int(),
  irVersion: z.number().int(),
  accuracy: variantAccuracy.nullable().describe("Against the reference; null of that itself."),
});
export type VariantFacts = z.infer<typeof variantFacts>;
