import { DATATYPES, type Datatype, type Tensor, type TensorData } from "./datatypes.ts";
import { invalid } from "../faults.ts";
import { decodeText, runtimeText } from "./text.ts";

const encoder = new TextEncoder();
const LENGTH_BYTES = 4;

/**
 * Reads the bytes of a binary tensor. Numbers that happen to lie aligned are looked at in place, so `bytes` must stay
 * untouched as long as the tensor is in use; others are copied (3 KB: under 1 µs).
 */
export function decodeBinaryData(
  bytes: Uint8Array,
  target: {
    readonly label: string;
    readonly datatype: Datatype;
    readonly elements: number;
    /** Whether a model will get it: the runtime does not take every text. */
    readonly isInput: boolean;
  },
): TensorData {
  const { label, datatype, elements } = target;
  if (datatype === "BYTES") return readStrings(bytes, target);
  const type = DATATYPES[datatype];
  if (bytes.byteLength !== elements * type.bytes) {
    throw invalid(
      `${label} has ${bytes.byteLength} bytes; ${elements} elements of ${datatype} are ${elements * type.bytes} bytes`,
    );
  }
  if (type.kind === "bool" && bytes.some((byte) => byte > 1))
    throw invalid(`${label} holds a byte above 1; a BOOL is one byte, 0 or 1`);
  const aligned = bytes.byteOffset % type.bytes === 0;
  if (aligned) return type.view(bytes.buffer, bytes.byteOffset, elements);
  // Not `slice()`: that of a Buffer is no copy but a view, and its `buffer` begins elsewhere.
  return type.view(new Uint8Array(bytes).buffer, 0, elements);
}

function readStrings(
  bytes: Uint8Array,
  target: { readonly label: string; readonly elements: number; readonly isInput: boolean },
): string[] {
  const { label, isInput } = target;
  return readElements(bytes, target).map((element, at) => {
    const text = decodeText(element, at, label);
    return isInput ? runtimeText(text, at, label) : text;
  });
}

/** Elements of BYTES as views of their bytes, which need not be UTF-8. Throws `SkerryError` INVALID_REQUEST. */
export function readElements(
  bytes: Uint8Array,
  { label, elements }: { readonly label: string; readonly elements: number },
): Uint8Array[] {
  if (elements * LENGTH_BYTES > bytes.byteLength) {
    throw invalid(
      `${label} has ${bytes.byteLength} bytes; ${elements} elements of BYTES need at least ${elements * LENGTH_BYTES}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out: Uint8Array[] = [];
  let at = 0;
  while (at + LENGTH_BYTES <= bytes.byteLength && out.length < elements) {
    const start = at + LENGTH_BYTES;
    at = start + view.getUint32(at, true);
    if (at > bytes.byteLength)
      throw invalid(
        `element ${out.length} of ${label} is longer than the bytes that are there; each is a uint32 length and that many bytes`,
      );
    out.push(bytes.subarray(start, at));
  }
  if (out.length !== elements || at !== bytes.byteLength) {
    throw invalid(
      `${label}: its bytes do not hold exactly ${elements} elements; each is a uint32 length and that many bytes`,
    );
  }
  return out;
}

/** The bytes of a tensor as they travel: little-endian, row-major; a view of the tensor where that is possible. */
export function encodeBinaryData({ data }: Tensor): Uint8Array {
  return Array.isArray(data)
    ? joinElements(data.map((text) => encoder.encode(text)))
    : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Elements of BYTES one behind the other, each after its length. */
export function joinElements(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + LENGTH_BYTES + part.byteLength, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.byteLength, true);
    out.set(part, at + LENGTH_BYTES);
    at += LENGTH_BYTES + part.byteLength;
  }
  return out;
}
