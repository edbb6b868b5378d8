import { z } from "zod";

export const openAiModel = z
  .object({ id: z.string(), object: z.literal("model"), created: z.number().int(), owned_by: z.string() })
  .meta({ id: "OpenAiModel" });
export const openAiModels = z
  .object({ object: z.literal("list"), data: z.array(openAiModel) })
  .meta({ id: "OpenAiModels" });
type OpenAiModel = z.infer<typeof openAiModel>;

/** A name that a request may have as its `model`. */
export interface ListedModel {
  readonly id: string;
  /** Seconds since 1970; 0 where it is not known. */
  readonly created: number;
}

export const modelDocument = ({ id, created }: ListedModel): OpenAiModel => ({
  id,
  object: "model",
  created,
  owned_by: "skerry",
});

export const modelsDocument = (models: readonly ListedModel[]): z.infer<typeof openAiModels> => ({
  object: "list",
  data: models.map(modelDocument),
});
