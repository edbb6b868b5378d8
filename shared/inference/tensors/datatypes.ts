/** The elements of one tensor, row-major. BYTES elements are UTF-8 strings: the runtime has no other kind. */
export type TensorData =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float16Array
  | Float32Array
  | Float64Array
  | string[];

export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
  /** Elements of BYTES as they came, where the signature asks for that; `data` is empty then. */
  readonly bytes?: readonly Uint8Array[];
}

export type NumericData = Exclude<TensorData, string[]>;

/** How a datatype is stored. `view` looks at little-endian bytes, which is also how every supported machine holds them. */
interface NumericType {
  readonly kind: "bool" | "integer" | "big-integer" | "half" | "float";
  readonly bytes: 1 | 2 | 4 | 8;
  readonly min: number | bigint;
  readonly max: number | bigint;
  view(buffer: ArrayBufferLike, byteOffset: number, length: number): NumericData;
}

interface BytesType {
  readonly kind: "bytes";
}

/** Largest finite FP32. */
const FP32_MAX = 3.4028234663852886e38;

/** Every datatype that both the protocol and the runtime know. BF16 is missing: onnxruntime-node refuses to load it. */
export const DATATYPES = {
  BOOL: { kind: "bool", bytes: 1, min: 0, max: 1, view: (buffer, at, length) => new Uint8Array(buffer, at, length) },
  INT8: {
    kind: "integer",
    bytes: 1,
    min: -128,
    max: 127,
    view: (buffer, at, length) => new Int8Array(buffer, at, length),
  },
  UINT8: {
    kind: "integer",
    bytes: 1,
    min: 0,
    max: 255,
    view: (buffer, at, length) => new Uint8Array(buffer, at, length),
  },
  INT16: {
    kind: "integer",
    bytes: 2,
    min: -32_768,
    max: 32_767,
    view: (buffer, at, length) => new Int16Array(buffer, at, length),
  },
  UINT16: {
    kind: "integer",
    bytes: 2,
    min: 0,
    max: 65_535,
    view: (buffer, at, length) => new Uint16Array(buffer, at, length),
  },
  INT32: {
    kind: "integer",
    bytes: 4,
    min: -(2 ** 31),
    max: 2 ** 31 - 1,
    view: (buffer, at, length) => new Int32Array(buffer, at, length),
  },
  UINT32: {
    kind: "integer",
    bytes: 4,
    min: 0,
    max: 2 ** 32 - 1,
    view: (buffer, at, length) => new Uint32Array(buffer, at, length),
  },
  INT64: {
    kind: "big-integer",
    bytes: 8,
    min: -(2n ** 63n),
    max: 2n ** 63n - 1n,
    view: (buffer, at, length) => new BigInt64Array(buffer, at, length),
  },
  UINT64: {
    kind: "big-integer",
    bytes: 8,
    min: 0n,
    max: 2n ** 64n - 1n,
    view: (buffer, at, length) => new BigUint64Array(buffer, at, length),
  },
  FP16: {
    kind: "half",
    bytes: 2,
    min: -65_504,
    max: 65_504,
    view: (buffer, at, length) => new Float16Array(buffer, at, length),
  },
  FP32: {
    kind: "float",
    bytes: 4,
    min: -FP32_MAX,
    max: FP32_MAX,
    view: (buffer, at, length) => new Float32Array(buffer, at, length),
  },
  FP64: {
    kind: "float",
    bytes: 8,
    min: -Number.MAX_VALUE,
    max: Number.MAX_VALUE,
    view: (buffer, at, length) => new Float64Array(buffer, at, length),
  },
  BYTES: { kind: "bytes" },
} as const satisfies Record<string, NumericType | BytesType>;

export type Datatype = keyof typeof DATATYPES;
export type NumericDatatype = Exclude<Datatype, "BYTES">;

export const isDatatype = (text: string): text is Datatype => Object.hasOwn(DATATYPES, text);

/** Storage for `length` numbers, all zero. */
export function zeroNumbers(datatype: NumericDatatype, length: number): NumericData {
  const { bytes, view } = DATATYPES[datatype];
  return view(new ArrayBuffer(length * bytes), 0, length);
}

/** `length` elements, zero or empty: what the warm run feeds. */
export const zeroData = (datatype: Datatype, length: number): TensorData =>
  datatype === "BYTES" ? Array.from({ length }, () => "") : zeroNumbers(datatype, length);
