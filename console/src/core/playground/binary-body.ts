import type { ExplainedBody } from "./explanation.ts";
import type { GivenFile, GivenInput } from "./given-inputs.ts";
import type { OutputTensor } from "./output-rows.ts";

/** Bytes behind the JSON of a request. An element of BYTES follows its length, 4 bytes. */
export type Piece =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "element"; readonly of: GivenFile | string };

/** An input that goes as bytes: files, and numbers that JSON does not have. */
export interface BinaryInput {
  readonly name: string;
  readonly pieces: readonly Piece[];
}

/** The JSON of a request and the tensors behind it, in their order; their `binary_data_size` is not in the JSON yet. */
export interface InferBody {
  readonly json: {
    readonly inputs: readonly object[];
    readonly parameters?: { readonly binary_data_output: true };
  };
  readonly binary: readonly BinaryInput[];
}

const isFile = (element: GivenInput["data"][number]): element is GivenFile => typeof element === "object";
const encoder = new TextEncoder();

/** `outputs`: of the model. FP16 has no form in JSON: then the answer comes as bytes, too. */
export function inferBody(inputs: readonly GivenInput[], outputs: readonly { readonly datatype: string }[]): InferBody {
  const binary = inputs.filter(({ datatype, data }) => datatype === "FP16" || data.some(isFile));
  return {
    json: {
      inputs: inputs.map((input) => {
        const { data: _data, ...head } = input;
        return binary.includes(input) ? head : input;
      }),
      ...(outputs.some(({ datatype }) => datatype === "FP16") && { parameters: { binary_data_output: true } }),
    },
    binary: binary.map(({ name, datatype, data }) => ({
      name,
      pieces: datatype === "FP16" ? [{ kind: "bytes", bytes: halfBytes(data.map(Number)) }] : data.map(elementPiece),
    })),
  };
}

const elementPiece = (of: GivenInput["data"][number]): Piece => ({ kind: "element", of: isFile(of) ? of : String(of) });

export const bytesOf = (piece: Piece): Uint8Array<ArrayBuffer> =>
  piece.kind === "bytes" ? piece.bytes : typeof piece.of === "string" ? encoder.encode(piece.of) : piece.of.bytes;

/** How many bytes a tensor takes, with the lengths of its elements. */
const sizeOf = ({ pieces }: BinaryInput): number =>
  pieces.reduce((sum, piece) => sum + bytesOf(piece).byteLength + (piece.kind === "element" ? 4 : 0), 0);

/** The JSON with the sizes of the tensors behind it. */
export function sizedJson({ json, binary }: InferBody): string {
  const sizes = new Map(binary.map((input) => [input.name, sizeOf(input)]));
  const inputs = json.inputs.map((input) => {
    const size = "name" in input && typeof input.name === "string" ? sizes.get(input.name) : undefined;
    return size === undefined ? input : { ...input, parameters: { binary_data_size: size } };
  });
  return JSON.stringify({ ...json, inputs });
}

export const lengthBytes = (length: number): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, length, true);
  return bytes;
};

/** What goes over the wire: an object for JSON, or a blob, JSON and the tensors behind it, with the headers that say so. */
export function encodeBody(body: InferBody): {
  readonly body: object;
  readonly headers: Readonly<Record<string, string>>;
} {
  if (body.binary.length === 0) return { body: body.json, headers: {} };
  const head = encoder.encode(sizedJson(body));
  const parts = body.binary.flatMap(({ pieces }) =>
    pieces.flatMap((piece) => {
      const bytes = bytesOf(piece);
      return piece.kind === "element" ? [lengthBytes(bytes.byteLength), bytes] : [bytes];
    }),
  );
  return {
    body: new Blob([head, ...parts]),
    headers: {
      "Content-Type": "application/octet-stream",
      "Inference-Header-Content-Length": String(head.byteLength),
    },
  };
}

function halfBytes(values: readonly number[]): Uint8Array<ArrayBuffer> {
  const view = withHalves(new DataView(new ArrayBuffer(values.length * 2)));
  for (const [at, value] of values.entries()) view.setFloat16(2 * at, value, true);
  return new Uint8Array(view.buffer);
}

function withHalves(view: DataView<ArrayBuffer>): DataView<ArrayBuffer> {
  if (typeof view.setFloat16 === "function") return view;
  throw new Error("this browser has no FP16 numbers; a newer one has, and programs do");
}

/** An output as it is in an answer with bytes: its numbers are in the JSON, or behind it. */
interface BinaryOutput extends Omit<OutputTensor, "data" | "parameters"> {
  readonly data?: readonly unknown[];
  readonly parameters?: OutputTensor["parameters"] & { readonly binary_data_size?: number };
}

/** `headerLength`: the header `Inference-Header-Content-Length` of the answer; null: it is JSON alone. */
export function decodeAnswer(bytes: Uint8Array<ArrayBuffer>, headerLength: string | null): ExplainedBody {
  const length = headerLength === null ? bytes.byteLength : Number(headerLength);
  const json = JSON.parse(new TextDecoder().decode(bytes.subarray(0, length))) as Omit<ExplainedBody, "outputs"> & {
    readonly outputs?: readonly BinaryOutput[];
  };
  let at = length;
  const outputs = (json.outputs ?? []).map((output) => {
    const size = output.parameters?.binary_data_size;
    if (size === undefined) return { ...output, data: output.data ?? [] };
    at += size;
    return { ...output, data: elementsOf(output.datatype, bytes.subarray(at - size, at)) };
  });
  return { ...json, outputs };
}

interface NumberForm {
  readonly size: number;
  readonly read: (view: DataView, at: number) => unknown;
}

/** 64 bits that no number of JavaScript holds are shown as their digits. */
const whole = (value: bigint): number | string =>
  Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();

const FORMS: Readonly<Record<string, NumberForm>> = {
  BOOL: { size: 1, read: (view, at) => view.getUint8(at) !== 0 },
  INT8: { size: 1, read: (view, at) => view.getInt8(at) },
  UINT8: { size: 1, read: (view, at) => view.getUint8(at) },
  INT16: { size: 2, read: (view, at) => view.getInt16(at, true) },
  UINT16: { size: 2, read: (view, at) => view.getUint16(at, true) },
  INT32: { size: 4, read: (view, at) => view.getInt32(at, true) },
  UINT32: { size: 4, read: (view, at) => view.getUint32(at, true) },
  INT64: { size: 8, read: (view, at) => whole(view.getBigInt64(at, true)) },
  UINT64: { size: 8, read: (view, at) => whole(view.getBigUint64(at, true)) },
  FP16: { size: 2, read: (view, at) => view.getFloat16(at, true) },
  FP32: { size: 4, read: (view, at) => view.getFloat32(at, true) },
  FP64: { size: 8, read: (view, at) => view.getFloat64(at, true) },
};

function elementsOf(datatype: string, bytes: Uint8Array<ArrayBuffer>): readonly unknown[] {
  const bare = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const view = datatype === "FP16" ? withHalves(bare) : bare;
  const form = FORMS[datatype];
  if (form !== undefined)
    return Array.from({ length: bytes.byteLength / form.size }, (_, at) => form.read(view, at * form.size));
  const texts: string[] = [];
  for (let at = 0; at + 4 <= bytes.byteLength;) {
    const end = at + 4 + view.getUint32(at, true);
    texts.push(new TextDecoder().decode(bytes.subarray(at + 4, end)));
    at = end;
  }
  return texts;
}
