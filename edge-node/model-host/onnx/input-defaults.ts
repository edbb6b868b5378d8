import { decodeBinaryData } from "../../../shared/inference/tensors/binary-tensor.ts";
import { isDatatype, type Tensor } from "../../../shared/inference/tensors/datatypes.ts";
import { elementCount } from "../../../shared/inference/tensors/shape.ts";
import type { InputDefault } from "../../../shared/protocol/model-files/manifest.ts";

/** A default value as a run takes it. Throws when its bytes do not fit its shape. */
export function defaultTensor({ name, datatype, shape, data }: InputDefault): Tensor {
  const label = `the default value of input "${name}"`;
  if (!isDatatype(datatype)) throw new Error(`${label} has the datatype ${datatype}`);
  const elements = elementCount(shape, label);
  const bytes = Uint8Array.from(Buffer.from(data, "base64"));
  return { name, datatype, shape, data: decodeBinaryData(bytes, { label, datatype, elements, isInput: true }) };
}
