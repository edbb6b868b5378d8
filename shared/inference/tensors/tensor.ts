import { decodeBinaryData, encodeBinaryData, readElements } from "./binary-tensor.ts";
import type { Blobs } from "../body.ts";
import { DATATYPES, type Datatype, isDatatype, type Tensor, type TensorData } from "./datatypes.ts";
import { invalid, notServed } from "../faults.ts";
import { given, type JsonObject, objectOf, textOf } from "../json.ts";
import { decodeJsonData, encodeJsonData } from "./json-tensor.ts";
import { decodeShape, elementCount, matchShape, type TensorSignature } from "./shape.ts";

/** The parameters object of `owner`; an empty one when it has none. */
export function parametersOf(owner: JsonObject, label: string): JsonObject {
  const parameters = given(owner, "parameters");
  return parameters === undefined ? {} : objectOf(parameters, `\`parameters\` of ${label}`);
}

/** Extensions that would change what the answer means, so that silence would be a lie. */
export function refuseUnserved(parameters: JsonObject, label: string, names: readonly string[]): void {
  for (const name of names) {
    if (Object.hasOwn(parameters, name))
      throw notServed(`${label} asks for \`${name}\`, which Skerry does not serve; leave it out`);
  }
}

/** Reads one entry of `inputs` or `outputs`, held against the model's signature when it is an input. */
export function decodeTensor(
  entry: JsonObject,
  blobs: Blobs,
  expected: { readonly label: string; readonly spec?: TensorSignature },
): Tensor {
  const { label, spec } = expected;
  const isInput = spec !== undefined;
  const parameters = parametersOf(entry, label);
  refuseUnserved(parameters, label, ["shared_memory_region", "shared_memory_offset", "shared_memory_byte_size"]);
  const datatype = decodeDatatype(entry["datatype"], label, spec);
  const shape = decodeShape(entry["shape"], label);
  if (spec !== undefined) matchShape(shape, spec, label);
  const elements = elementCount(shape, label);
  const size = parameters["binary_data_size"];
  const name = textOf(entry["name"], "the name of a tensor");
  const asBytes = spec?.asBytes === true;
  if (size === undefined) {
    const data = decodeJsonData(entry["data"], { label, datatype, shape, elements, isInput: isInput && !asBytes });
    return asBytes ? bytesTensor(name, shape, bytesOfTexts(data)) : { name, datatype, shape, data };
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    throw invalid(`\`binary_data_size\` of ${label} must be a whole number of bytes`);
  if (given(entry, "data") !== undefined)
    throw invalid(`${label} has both \`data\` and \`binary_data_size\`; send one of them`);
  if (asBytes) return bytesTensor(name, shape, readElements(blobs.take(size, label), { label, elements }));
  return {
    name,
    datatype,
    shape,
    data: decodeBinaryData(blobs.take(size, label), { label, datatype, elements, isInput }),
  };
}

/** Elements of BYTES that need not be UTF-8. */
export const bytesTensor = (name: string, shape: readonly number[], bytes: readonly Uint8Array[]): Tensor => ({
  name,
  datatype: "BYTES",
  shape,
  data: [],
  bytes,
});

const utf8 = new TextEncoder();
const bytesOfTexts = (data: TensorData): readonly Uint8Array[] =>
  Array.isArray(data) ? data.map((text) => utf8.encode(text)) : [];

function decodeDatatype(value: unknown, label: string, spec: TensorSignature | undefined): Datatype {
  const datatype = textOf(value, `the datatype of ${label}`);
  if (spec !== undefined && datatype !== spec.datatype)
    throw invalid(
      `${label} has the datatype ${isDatatype(datatype) ? datatype : "unknown"}; the model takes ${spec.datatype}`,
    );
  if (!isDatatype(datatype))
    throw invalid(`the datatype of ${label} is not known; use one of ${Object.keys(DATATYPES).join(", ")}`);
  return datatype;
}

/** One entry of `inputs` or `outputs` as JSON text; the blob when it travels as bytes. */
export function encodeTensor(
  tensor: Tensor,
  { binary }: { readonly binary: boolean },
): { readonly json: string; readonly blob: Uint8Array | undefined } {
  const head = `{"name":${JSON.stringify(tensor.name)},"shape":[${tensor.shape.join(",")}],"datatype":"${tensor.datatype}"`;
  if (!binary) return { json: `${head},"data":${encodeJsonData(tensor)}}`, blob: undefined };
  const blob = encodeBinaryData(tensor);
  return { json: `${head},"parameters":{"binary_data_size":${blob.byteLength}}}`, blob };
}
