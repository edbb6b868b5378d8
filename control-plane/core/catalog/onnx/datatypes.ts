import { WIRE } from "./wire-reader.ts";

/** The fields of a TensorProto that hold numbers when `raw_data` does not, and how one number is written there. */
export const TENSOR_STORES = [
  { name: "float_data", field: 4, wire: WIRE.FIXED32 },
  { name: "int32_data", field: 5, wire: WIRE.VARINT },
  { name: "string_data", field: 6, wire: WIRE.BYTES },
  { name: "int64_data", field: 7, wire: WIRE.VARINT },
  { name: "double_data", field: 10, wire: WIRE.FIXED64 },
  { name: "uint64_data", field: 11, wire: WIRE.VARINT },
] as const;
export type TensorStore = (typeof TENSOR_STORES)[number]["name"];

export interface Datatype {
  /** ONNX's own name. */
  readonly onnx: string;
  /** The Open Inference Protocol's name; undefined when the protocol has none, so that it cannot be an input or output. */
  readonly oip: string | undefined;
  /** Bits of one element in `raw_data`; undefined for strings, which may not stand there. */
  readonly bits: number | undefined;
  readonly store: TensorStore;
  /** Numbers in the store for one element. Undefined where producers differ: types of less than a byte. */
  readonly perElement: number | undefined;
}

const datatype = (onnx: string, oip: string | undefined, bits: number | undefined, store: TensorStore): Datatype => ({
  onnx,
  oip,
  bits,
  store,
  perElement: onnx.startsWith("COMPLEX") ? 2 : bits !== undefined && bits < 8 ? undefined : 1,
});

/** By the numbers of `TensorProto.DataType` (github.com/onnx/onnx, onnx.proto). 0 is UNDEFINED and has no entry. */
const DATATYPES: readonly (Datatype | undefined)[] = [
  undefined,
  datatype("FLOAT", "FP32", 32, "float_data"),
  datatype("UINT8", "UINT8", 8, "int32_data"),
  datatype("INT8", "INT8", 8, "int32_data"),
  datatype("UINT16", "UINT16", 16, "int32_data"),
  datatype("INT16", "INT16", 16, "int32_data"),
  datatype("INT32", "INT32", 32, "int32_data"),
  datatype("INT64", "INT64", 64, "int64_data"),
  datatype("STRING", "BYTES", undefined, "string_data"),
  datatype("BOOL", "BOOL", 8, "int32_data"),
  datatype("FLOAT16", "FP16", 16, "int32_data"),
  datatype("DOUBLE", "FP64", 64, "double_data"),
  datatype("UINT32", "UINT32", 32, "uint64_data"),
  datatype("UINT64", "UINT64", 64, "uint64_data"),
  datatype("COMPLEX64", undefined, 64, "float_data"),
  datatype("COMPLEX128", undefined, 128, "double_data"),
  datatype("BFLOAT16", "BF16", 16, "int32_data"),
  datatype("FLOAT8E4M3FN", undefined, 8, "int32_data"),
  datatype("FLOAT8E4M3FNUZ", undefined, 8, "int32_data"),
  datatype("FLOAT8E5M2", undefined, 8, "int32_data"),
  datatype("FLOAT8E5M2FNUZ", undefined, 8, "int32_data"),
  datatype("UINT4", undefined, 4, "int32_data"),
  datatype("INT4", undefined, 4, "int32_data"),
  datatype("FLOAT4E2M1", undefined, 4, "int32_data"),
  datatype("FLOAT8E8M0", undefined, 8, "int32_data"),
  datatype("UINT2", undefined, 2, "int32_data"),
  datatype("INT2", undefined, 2, "int32_data"),
];

/** Undefined for 0 and for numbers that ONNX has not given yet. */
export const datatypeOf = (number: number): Datatype | undefined => DATATYPES[number];
