import { z } from "zod";
import { engineModel } from "../../text/engine-model.ts";

const tensor = z.strictObject({
  name: z.string().min(1).max(256),
  datatype: z.enum([
    "BOOL",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "FP16",
    "FP32",
    "FP64",
    "BF16",
    "BYTES",
  ]),
  /** −1: any length. */
  shape: z.array(z.number().int().min(-1)).max(8),
});
const tensors = z.array(tensor).min(1).max(1_024);

/**
 * What is published, in the place of weights, of a model that an engine beside a node executes: `engine.json`. A model of
 * tensors says its inputs and outputs, since callers may ask for them while no engine is there.
 */
export const engineDocument = z
  .strictObject({ ...engineModel.shape, inputs: tensors.optional(), outputs: tensors.optional() })
  .superRefine(({ kind, inputs, outputs }, context) => {
    for (const [name, value] of Object.entries({ inputs, outputs })) {
      if (kind === "tensors" && value === undefined)
        context.addIssue({ code: "custom", path: [name], message: "needed for a model of the kind tensors" });
      if (kind !== "tensors" && value !== undefined)
        context.addIssue({ code: "custom", path: [name], message: "is for a model of the kind tensors" });
    }
  });
export type EngineDocument = z.infer<typeof engineDocument>;

/** What is wrong with a document, field by field. */
export const engineDocumentFaults = (error: z.ZodError): string =>
  error.issues.map(({ path, message }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`)).join("; ");
