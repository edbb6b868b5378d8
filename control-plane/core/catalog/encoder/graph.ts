import type { TensorSpec } from "../../../../shared/protocol/model-files/manifest.ts";
import type { EncoderModel } from "../../../../shared/text/encoder-model.ts";
import { InspectionRefused, quote } from "../inspection-refused.ts";

const IDS = "input_ids";
const FURTHER = ["attention_mask", "token_type_ids"] as const;
/** Names of outputs with a vector for each token, as exporters give them. */
const TOKEN_OUTPUTS = ["last_hidden_state", "token_embeddings"];
const SENTENCE_OUTPUT = "sentence_embedding";

/** The inputs beside the tokens. Throws `InspectionRefused` for a graph that takes something else. */
export function takenInputs(inputs: readonly TensorSpec[]): EncoderModel["inputs"] {
  const names = inputs.map(({ name }) => name);
  if (!names.includes(IDS))
    throw new InspectionRefused(
      `the graph takes ${names.map(quote).join(", ")} and no ${IDS}: it is no encoder of texts`,
    );
  for (const { name, datatype, shape } of inputs) {
    if (name !== IDS && !FURTHER.some((known) => known === name))
      throw new InspectionRefused(`the graph takes ${quote(name)}, which no encoder of texts takes`);
    if (datatype !== "INT64") throw new InspectionRefused(`its input ${name} has the datatype ${datatype}, not INT64`);
    if (shape.length !== 2 || shape.some((size) => size !== -1))
      throw new InspectionRefused(
        `its input ${name} has the shape [${shape.join(", ")}]: export it with variable sizes (dynamic_axes), [texts, tokens]`,
      );
  }
  return FURTHER.filter((name) => names.includes(name));
}

/** The output that is taken; `width`: numbers of an embedding, undefined when the graph does not say. */
export function outputOf(outputs: readonly TensorSpec[]): {
  readonly output: string;
  /** It has one vector for each text, and not one for each token. */
  readonly isSentence: boolean;
  readonly width: number | undefined;
} {
  const found =
    outputs.find(({ name }) => name === SENTENCE_OUTPUT) ??
    outputs.find(({ name }) => TOKEN_OUTPUTS.includes(name)) ??
    (outputs.length === 1 ? outputs[0] : undefined);
  if (found === undefined)
    throw new InspectionRefused(
      `the graph puts out ${outputs.map(({ name }) => quote(name)).join(", ")}, none of which is ${[SENTENCE_OUTPUT, ...TOKEN_OUTPUTS].join(", ")}: export it for feature extraction`,
    );
  const { name, datatype, shape } = found;
  const isSentence = shape.length === 2 && name === SENTENCE_OUTPUT;
  if (!isSentence && shape.length !== 3)
    throw new InspectionRefused(
      `its output ${quote(name)} has ${shape.length} dimensions; vectors of tokens have 3: [texts, tokens, numbers]`,
    );
  if (datatype !== "FP32" && datatype !== "FP16")
    throw new InspectionRefused(`its output ${quote(name)} has the datatype ${datatype}, not FP32 or FP16`);
  const width = shape.at(-1);
  return { output: name, isSentence, width: width === undefined || width < 1 ? undefined : width };
}
