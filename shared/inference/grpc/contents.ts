import { type Datatype, DATATYPES, isDatatype, zeroNumbers } from "../tensors/datatypes.ts";
import { encodeBinaryData, joinElements } from "../tensors/binary-tensor.ts";
import { invalid } from "../faults.ts";
import type { ContentsMessage } from "./messages.ts";

/**
 * The typed elements of a message as the bytes of a binary tensor. Their number is left to the reader of those bytes.
 * Throws `SkerryError` INVALID_REQUEST for a datatype without typed elements, and for an element out of its range.
 */
export function encodeContents(contents: ContentsMessage, datatype: string, label: string): Uint8Array {
  if (!isDatatype(datatype) || datatype === "FP16")
    throw invalid(`${label} has the datatype ${datatype.slice(0, 16)}, which has no typed contents; send raw contents`);
  if (datatype === "BYTES") return joinElements(contents.bytes_contents);
  const elements = elementsOf(contents, datatype);
  const data = zeroNumbers(datatype, elements.length);
  const { kind, min, max } = DATATYPES[datatype];
  for (const [at, element] of elements.entries()) {
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
      data[at] = BigInt(element);
      continue;
    }
    const value = Number(element);
    if (kind === "integer" && (value < min || value > max))
      throw invalid(`element ${at} of ${label} is outside the range of ${datatype}`);
    data[at] = value;
  }
  return encodeBinaryData({ name: "", datatype, shape: [], data });
}

function elementsOf(
  contents: ContentsMessage,
  datatype: Exclude<Datatype, "BYTES" | "FP16">,
): readonly (number | string | boolean)[] {
  switch (datatype) {
    case "BOOL":
      return contents.bool_contents;
    case "INT8":
    case "INT16":
    case "INT32":
      return contents.int_contents;
    case "INT64":
      return contents.int64_contents;
    case "UINT8":
    case "UINT16":
    case "UINT32":
      return contents.uint_contents;
    case "UINT64":
      return contents.uint64_contents;
    case "FP32":
      return contents.fp32_contents;
    case "FP64":
      return contents.fp64_contents;
  }
}
