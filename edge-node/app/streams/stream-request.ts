import { type EncodedBody, joinBody } from "../../../shared/inference/body.ts";
import { DATATYPES, isDatatype } from "../../../shared/inference/tensors/datatypes.ts";
import { invalid } from "../../../shared/inference/faults.ts";
import { deriveShape, type TensorSignature } from "../../../shared/inference/tensors/shape.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import type { ModelSignature } from "../../ports/serving.ts";
import type { StoredItem, StreamName } from "../../ports/streams.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * An item as a request of the Open Inference Protocol whose answer is JSON:
 *
 * a model with one input of bytes   the item is that input, whatever it holds
 * a JSON object                     is the request itself
 * a JSON array of numbers           is the data of the model's only input
 * other bytes                       are the model's only input, little-endian and row-major
 *
 * Throws INVALID_REQUEST when the item cannot be that.
 */
export function streamRequest(
  { bytes, isJson }: Pick<StoredItem, "bytes" | "isJson">,
  of: ModelSignature,
): EncodedBody {
  const [spec] = of.inputs;
  if (of.inputs.length === 1 && spec?.datatype === "BYTES") return withBlob(spec, lengthBefore(bytes), 1);
  if (isJson) {
    const text = textOf(bytes);
    if (!text.startsWith("[")) return { body: joinBody(text, []).body, headerLength: JSON_BODY };
    return fromArray(text, onlyInput(of));
  }
  const only = onlyInput(of);
  if (!isDatatype(only.datatype) || only.datatype === "BYTES")
    throw invalid(`input "${only.name}" has a datatype that bytes cannot stand for`);
  const size = DATATYPES[only.datatype].bytes;
  if (bytes.byteLength % size !== 0)
    throw invalid(`${bytes.byteLength} bytes are no whole number of ${only.datatype} elements of ${size} bytes`);
  return withBlob(only, bytes, bytes.byteLength / size);
}

/** A result as it goes to a sink: where it comes from, and the model's answer as it came. */
export function streamResult(
  { position, id, key, acceptedAt }: StoredItem,
  answer: Uint8Array,
  of: StreamName & { readonly node: string },
): Uint8Array {
  const { deployment, name: stream, node } = of;
  const facts = {
    node,
    deployment,
    stream,
    position,
    ...(id !== undefined && { item: id }),
    key,
    acceptedAtMs: acceptedAt,
  };
  const head = encoder.encode(`${JSON.stringify(facts).slice(0, -1)},"response":`);
  const whole = new Uint8Array(head.byteLength + answer.byteLength + 1);
  whole.set(head);
  whole.set(answer, head.byteLength);
  whole[whole.byteLength - 1] = 0x7d; // }
  return whole;
}

function onlyInput({ inputs }: ModelSignature): TensorSignature {
  const [spec, ...others] = inputs;
  if (spec === undefined || others.length > 0)
    throw invalid(
      `the model has ${inputs.length} inputs, so an item has to be a request in JSON that names them (or the model a pipeline with one input)`,
    );
  return spec;
}

function fromArray(text: string, { name, datatype, shape }: TensorSignature): EncodedBody {
  const data = parsed(text);
  if (!Array.isArray(data)) throw invalid("the item is no array");
  const elements = data.flat(8).length;
  const derived = deriveShape({ name, datatype, shape }, elements, `input "${name}"`);
  const tensor = `"name":${JSON.stringify(name)},"shape":[${derived.join(",")}],"datatype":"${datatype}"`;
  return joinBody(`{"inputs":[{${tensor},"data":${text}}]}`, []);
}

function withBlob({ name, datatype, shape }: TensorSignature, blob: Uint8Array, elements: number): EncodedBody {
  const derived = deriveShape({ name, datatype, shape }, elements, `input "${name}"`);
  const parameters = { binary_data_size: blob.byteLength };
  return joinBody(JSON.stringify({ inputs: [{ name, shape: derived, datatype, parameters }] }), [blob]);
}

/** An element of bytes: its length, then the bytes. */
function lengthBefore(bytes: Uint8Array): Uint8Array {
  const element = new Uint8Array(4 + bytes.byteLength);
  new DataView(element.buffer).setUint32(0, bytes.byteLength, true);
  element.set(bytes, 4);
  return element;
}

function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes).trim();
  } catch {
    throw invalid("the item is said to be JSON, and is no UTF-8 text");
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid("the item is said to be JSON, and is none");
  }
}
