import { z } from "zod";
import { DATATYPES } from "../tensors/datatypes.ts";

/**
 * The JSON form of an inference, for the OpenAPI document. Requests are read against the signature of their model by
 * `decodeRequest`, which names what it refuses; these schemas decode nothing.
 */
const parameters = z.record(z.string(), z.unknown());
const tensor = z.object({
  name: z.string(),
  shape: z.array(z.number().int().min(0)),
  datatype: z.enum(Object.keys(DATATYPES)),
  parameters: parameters.optional(),
  data: z
    .unknown()
    .optional()
    .describe("The elements, nested as `shape` says or flat. Left out where they follow as bytes."),
});

export const inferRequestForm = z
  .object({
    id: z.string().optional(),
    parameters: parameters.optional(),
    inputs: z.array(tensor),
    outputs: z.array(z.object({ name: z.string(), parameters: parameters.optional() })).optional(),
  })
  .meta({ id: "InferRequest" });

export const inferResponseForm = z
  .object({
    model_name: z.string(),
    model_version: z.string(),
    id: z.string().optional(),
    /** Of an answer with an explanation. */
    parameters: parameters.optional(),
    outputs: z.array(tensor),
  })
  .meta({ id: "InferResponse" });
