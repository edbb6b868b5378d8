import { splitBody } from "../body.ts";
import { invalid } from "../faults.ts";
import { arrayOf, objectOf, textOf } from "../json.ts";
import { decodeShape } from "../tensors/shape.ts";
import { encodeContents } from "./contents.ts";
import type { InferRequestMessage, InferResponseMessage, ParameterMap } from "./messages.ts";

/** A request as it travels on: JSON, then the bytes of the inputs, as in the binary tensor extension. */
export interface RequestBody {
  readonly pieces: readonly Uint8Array[];
  readonly headerLength: number;
}

const encoder = new TextEncoder();

/**
 * A request's message as a body with binary tensors, which asks for binary outputs. Raw contents are not looked at.
 * Throws `SkerryError` INVALID_REQUEST.
 */
export function toRequestBody(message: InferRequestMessage): RequestBody {
  const { id, inputs, outputs } = message;
  const blobs = blobsOf(message);
  const header = {
    ...(id !== "" && { id }),
    parameters: { ...toParameters(message.parameters), binary_data_output: true },
    inputs: inputs.map(({ name, datatype, shape, parameters }, i) => ({
      name,
      datatype,
      shape: shape.map(Number),
      parameters: {
        ...toParameters(parameters),
        ...(blobs[i] !== undefined && { binary_data_size: blobs[i].byteLength }),
      },
    })),
    outputs: outputs.map(({ name, parameters }) => ({ name, parameters: withoutBinary(toParameters(parameters)) })),
  };
  const json = encoder.encode(JSON.stringify(header));
  return { pieces: [json, ...blobs], headerLength: json.byteLength };
}

function blobsOf({ inputs, raw_input_contents: raw }: InferRequestMessage): readonly Uint8Array[] {
  // An input in shared memory has no bytes; the model host refuses it by its parameter.
  const isShared = inputs.some(({ parameters }) => Object.hasOwn(parameters, "shared_memory_region"));
  if (isShared) return [];
  if (raw.length > 0) {
    const mixed = inputs.find(({ contents }) => contents !== null);
    if (mixed !== undefined)
      throw invalid(
        `input "${mixed.name}" has contents beside raw_input_contents; send all inputs in one of the forms`,
      );
    if (raw.length !== inputs.length)
      throw invalid(
        `there are ${raw.length} raw_input_contents for ${inputs.length} inputs; send one for each, in order`,
      );
    return raw;
  }
  return inputs.map(({ name, datatype, contents }) => {
    if (contents === null) throw invalid(`input "${name}" has no contents; give them typed or in raw_input_contents`);
    return encodeContents(contents, datatype, `input "${name}"`);
  });
}

/** Values as JSON has them. An integer beyond 2^53 stays text: no parameter that is read is one. */
export const toParameters = (parameters: ParameterMap): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(parameters).map(([name, parameter]) => {
      const { bool_param: flag, string_param: text, double_param: double } = parameter;
      const integer = parameter.int64_param ?? parameter.uint64_param;
      return [name, flag ?? text ?? double ?? (Number.isSafeInteger(Number(integer)) ? Number(integer) : integer)];
    }),
  );

/** What an answer says of itself in scalars. */
const fromParameters = (parameters: Readonly<Record<string, unknown>>): ParameterMap =>
  Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [
      name,
      typeof value === "boolean"
        ? { bool_param: value }
        : typeof value === "number"
          ? { double_param: value }
          : { string_param: String(value) },
    ]),
  );

/** Bytes are the only form of an output here. */
function withoutBinary({ binary_data: _form, ...others }: Record<string, unknown>): Record<string, unknown> {
  return others;
}

/** An answer with binary outputs as a message. Its raw contents are views of `body`. */
export function toResponseMessage(body: Uint8Array, headerLength: number): InferResponseMessage {
  const { json, blobs } = splitBody(body, headerLength, "the answer");
  const outputs = arrayOf(json["outputs"], "`outputs`").map((value) => {
    const entry = objectOf(value, "an output");
    const name = textOf(entry["name"], "an output's name");
    const { binary_data_size: size } = objectOf(entry["parameters"] ?? {}, `the parameters of output "${name}"`);
    if (typeof size !== "number") throw new Error(`output "${name}" came as JSON although bytes were asked for`);
    const datatype = textOf(entry["datatype"], `the datatype of output "${name}"`);
    const shape = decodeShape(entry["shape"], `output "${name}"`);
    return { name, datatype, shape, bytes: blobs.take(size, `output "${name}"`) };
  });
  return {
    model_name: textOf(json["model_name"], "`model_name`"),
    model_version: textOf(json["model_version"], "`model_version`"),
    id: json["id"] === undefined ? "" : textOf(json["id"], "`id`"),
    parameters: fromParameters(objectOf(json["parameters"] ?? {}, "the parameters of the answer")),
    outputs: outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    raw_output_contents: outputs.map(({ bytes }) => bytes),
  };
}
