import { z } from "zod";
import { bundleFile, runtime } from "../../shared/protocol/model-files/bundle.ts";
import { digest, manifest, tensorSpec } from "../../shared/protocol/model-files/manifest.ts";
import { variantName } from "../../shared/protocol/model-files/variants.ts";

/** The one line that the check process reads. */
export const checkRequest = z.strictObject({
  model: z.string(),
  version: z.number().int().min(1),
  runtime: runtime.default("onnx"),
  /** Path in the bundle of the file that the runtime loads. */
  main: z.string(),
  files: z
    .array(
      z.strictObject({
        /** Its path in the bundle. */
        name: z.string(),
        /** Where its bytes are. */
        path: z.string(),
        /** What the uploader declared. */
        bytes: z.number().int().min(1),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
      }),
    )
    .min(1),
  /** Where the check may write the graph when it has to be changed to be served. */
  editedPath: z.string(),
});
export type CheckRequest = z.infer<typeof checkRequest>;

const checkedVariant = z.strictObject({
  name: variantName,
  manifest,
  artifact: digest,
  opset: z.number().int(),
  irVersion: z.number().int(),
});
export type CheckedVariant = z.infer<typeof checkedVariant>;

/** The one line that it writes. */
export const checkResult = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("accepted"),
    checked: z.strictObject({
      manifest,
      artifact: digest,
      opset: z.number().int(),
      irVersion: z.number().int(),
      producer: z.string(),
      inputs: z.array(tensorSpec),
      outputs: z.array(tensorSpec),
      /** What its publisher should know, in sentences. */
      notes: z.array(z.string()),
      /** The graph as it was changed; it lies at `editedPath`. */
      edited: bundleFile.optional(),
      /** Further graphs of the bundle with the same tensors, and how near they have to be to the main one. */
      variants: z
        .strictObject({
          all: z.array(checkedVariant).min(1),
          accuracy: z.strictObject({ minAgreement: z.number(), maxDifference: z.number().optional() }),
        })
        .optional(),
    }),
  }),
  z.strictObject({
    kind: z.literal("rejected"),
    code: z.enum(["DIGEST_MISMATCH", "INVALID_MODEL"]),
    reason: z.string(),
  }),
]);
export type CheckResult = z.infer<typeof checkResult>;
