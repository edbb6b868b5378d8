import { z } from "zod";

/** What the engines speak that a node may have beside it: the OpenAI API, or the Open Inference Protocol. */
export const ENGINE_APIS = ["openai", "oip"] as const;
export type EngineApi = (typeof ENGINE_APIS)[number];

/** Characters of a model's name in the list of an engine. Some are paths of files. */
export const MAX_ENGINE_MODEL_CHARACTERS = 200;

/** A version that an engine beside a node executes: the name there, and what it is asked for. */
export const engineModel = z.object({
  /** As the engine lists it. */
  model: z
    .string()
    .min(1)
    .max(MAX_ENGINE_MODEL_CHARACTERS)
    .regex(/^[\u0021-\u007e\u00a0-\uffff]+( [\u0021-\u007e\u00a0-\uffff]+)*$/, "no line breaks or other controls"),
  kind: z.enum(["text", "embeddings", "tensors"]),
});
export type EngineModel = z.infer<typeof engineModel>;

/** The API by which an engine is asked for a kind of model. */
export const engineApiOf = ({ kind }: Pick<EngineModel, "kind">): EngineApi => (kind === "tensors" ? "oip" : "openai");
