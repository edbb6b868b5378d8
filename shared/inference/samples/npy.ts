import { DATATYPES, type Datatype, type NumericDatatype, type Tensor, type TensorData } from "../tensors/datatypes.ts";
import { samplesFault } from "./samples-fault.ts";

/** An array of NumPy: a tensor without a name. */
export type NpyArray = Omit<Tensor, "name">;

const MAGIC = "\u0093NUMPY";
/** NumPy reads no longer headers either, unless it is told to. The patterns below take time by its square. */
const MAX_HEADER_BYTES = 10_000;
const DATATYPE_OF: Readonly<Record<string, NumericDatatype>> = {
  b1: "BOOL",
  i1: "INT8",
  i2: "INT16",
  i4: "INT32",
  i8: "INT64",
  u1: "UINT8",
  u2: "UINT16",
  u4: "UINT32",
  u8: "UINT64",
  f2: "FP16",
  f4: "FP32",
  f8: "FP64",
};

/** Reads a `.npy` file. Throws a `SamplesFault` that names `label` when it holds what no tensor can. */
export function readNpy(bytes: Uint8Array, label: string): NpyArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || String.fromCharCode(...bytes.subarray(0, 6)) !== MAGIC)
    throw unreadable(label, "it is no .npy file");
  const start = bytes[6] === 1 ? 10 : 12;
  const end = start + (bytes[6] === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (end - start > MAX_HEADER_BYTES) throw unreadable(label, `its header has more than ${MAX_HEADER_BYTES} bytes`);
  const header = new TextDecoder().decode(bytes.subarray(start, end));
  const descr = /'descr': '([^']*)'/.exec(header)?.[1] ?? "";
  const shape = (/'shape': \(([^)]*)\)/.exec(header)?.[1] ?? "").split(",").flatMap((text) => text.trim() || []);
  const sizes = shape.map(Number);
  const elements = sizes.reduce((product, size) => product * size, 1);
  const { datatype, data } = dataOf(new Uint8Array(bytes.subarray(end)), { descr, elements, label });
  const isFortran = header.includes("'fortran_order': True");
  return { datatype, shape: sizes, data: isFortran ? toRowMajor(data, sizes) : data };
}

function dataOf(
  bytes: Uint8Array,
  { descr, elements, label }: { readonly descr: string; readonly elements: number; readonly label: string },
): { readonly datatype: Datatype; readonly data: TensorData } {
  const kind = descr.slice(1);
  if (descr.startsWith(">")) throw unreadable(label, "its numbers are big-endian");
  if (/^[US]\d+$/.test(kind)) {
    // Before anything is made of it: the header alone says how many there are.
    const textBytes = Math.max(1, Number(kind.slice(1))) * (kind.startsWith("U") ? 4 : 1);
    if (!(elements * textBytes <= bytes.length)) throw unreadable(label, "it is cut off");
    return { datatype: "BYTES", data: texts(bytes, kind, elements) };
  }
  const datatype = DATATYPE_OF[kind];
  if (datatype === undefined)
    throw unreadable(label, kind.startsWith("O") ? "it holds Python objects" : `its dtype ${descr} is not known`);
  const type = DATATYPES[datatype];
  if (bytes.length < elements * type.bytes) throw unreadable(label, "it is cut off");
  return { datatype, data: type.view(bytes.buffer, bytes.byteOffset, elements) };
}

/** Texts of a fixed length: code points of four bytes, or bytes. */
function texts(bytes: Uint8Array, kind: string, elements: number): string[] {
  const width = Number(kind.slice(1));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const letter = (at: number): number => (kind.startsWith("U") ? view.getUint32(at * 4, true) : (bytes[at] ?? 0));
  return Array.from({ length: elements }, (_, row) => {
    const letters = Array.from({ length: width }, (__, at) => letter(row * width + at));
    return String.fromCodePoint(...letters.slice(0, 1 + letters.findLastIndex((code) => code !== 0)));
  });
}

/** The same elements in the order of C. */
function toRowMajor(data: TensorData, sizes: readonly number[]): TensorData {
  const order = rowMajorOrder(sizes);
  if (Array.isArray(data)) return order.map((from) => data[from] ?? "");
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    const out = data.slice();
    order.forEach((from, at) => (out[at] = data[from] ?? 0n));
    return out;
  }
  const out = data.slice();
  order.forEach((from, at) => (out[at] = data[from] ?? 0));
  return out;
}

/** For each element in the order of C, its place in the order of Fortran. */
function rowMajorOrder(sizes: readonly number[]): readonly number[] {
  let order = [0];
  let stride = 1;
  for (const size of sizes) {
    const step = stride;
    order = order.flatMap((base) => Array.from({ length: size }, (_, at) => base + at * step));
    stride *= size;
  }
  return order;
}

const unreadable = (label: string, why: string): Error =>
  samplesFault(
    `${label} cannot be read: ${why}`,
    "write the samples with numpy.savez, as arrays of numbers or of texts (astype(str))",
  );
