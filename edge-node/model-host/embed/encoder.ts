import type { Tensor } from "../../../shared/inference/tensors/datatypes.ts";
import type { EncoderModel } from "../../../shared/text/encoder-model.ts";
import type { LoadedModel } from "../onnx/model.ts";
import { normalized, pooled } from "./pooling.ts";

/** Makes the embeddings of several texts in one run; each is `[dimensions]` numbers. Blocks the thread meanwhile. */
export type Embed = (texts: readonly (readonly number[])[]) => Promise<readonly Float32Array[]>;

/** `model` as its description says how to use it. */
export function encoderOf(model: LoadedModel, described: EncoderModel): Embed {
  const { output, dimensions, inputs, pooling, normalizes } = described;
  return async (texts) => {
    const padded = Math.max(...texts.map(({ length }) => length));
    const [vectors] = await model.run(feeds(texts, padded, inputs), [output]);
    const data = floatsOf(vectors, texts.length * (pooling === "sentence" ? 1 : padded) * dimensions);
    return texts.map(({ length: tokens }, row) => {
      const embedding =
        pooling === "sentence"
          ? data.slice(row * dimensions, (row + 1) * dimensions)
          : pooled({ data, padded, width: dimensions }, row, { tokens, pooling });
      return normalizes ? normalized(embedding) : embedding;
    });
  };
}

/** The numbers of an output that must have so many. */
function floatsOf(vectors: Tensor | undefined, expected: number): Float32Array {
  const data = vectors?.data;
  const floats =
    data instanceof Float32Array ? data : data instanceof Float16Array ? Float32Array.from(data) : undefined;
  if (floats?.length !== expected)
    throw new Error(
      `the graph put out the shape [${vectors?.shape.join(", ") ?? ""}] where ${expected} numbers were due`,
    );
  return floats;
}

/** Shorter texts are padded on the right, and the mask says so. */
function feeds(
  texts: readonly (readonly number[])[],
  padded: number,
  inputs: EncoderModel["inputs"],
): readonly Tensor[] {
  const shape = [texts.length, padded];
  const size = texts.length * padded;
  const ids = new BigInt64Array(size);
  const mask = new BigInt64Array(size);
  texts.forEach((tokens, row) => {
    for (const [at, token] of tokens.entries()) ids[row * padded + at] = BigInt(token);
    mask.fill(1n, row * padded, row * padded + tokens.length);
  });
  const tensor = (name: string, data: BigInt64Array): Tensor => ({ name, datatype: "INT64", shape, data });
  return [
    tensor("input_ids", ids),
    ...inputs.map((name) => tensor(name, name === "attention_mask" ? mask : new BigInt64Array(size))),
  ];
}
