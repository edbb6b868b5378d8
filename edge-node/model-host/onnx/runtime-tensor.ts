import { Tensor as RuntimeTensor } from "onnxruntime-node";
import { type Datatype, type Tensor, type TensorData } from "../../../shared/inference/tensors/datatypes.ts";

/** The runtime's word for each datatype. */
const RUNTIME_TYPE = {
  BOOL: "bool",
  INT8: "int8",
  UINT8: "uint8",
  INT16: "int16",
  UINT16: "uint16",
  INT32: "int32",
  UINT32: "uint32",
  INT64: "int64",
  UINT64: "uint64",
  FP16: "float16",
  FP32: "float32",
  FP64: "float64",
  BYTES: "string",
} as const satisfies Record<Datatype, RuntimeTensor.Type>;

const DATATYPE_OF: ReadonlyMap<string, Datatype> = new Map(
  Object.entries(RUNTIME_TYPE).map(([datatype, type]) => [type, datatype as Datatype]),
);

/** Our word for a type of the runtime; undefined for those that the protocol does not have (`int4`, `uint4`). */
export const datatypeOf = (runtimeType: string): Datatype | undefined => DATATYPE_OF.get(runtimeType);

/** Looks at the same memory: nothing is copied. */
export function toRuntime({ datatype, data, shape }: Tensor): RuntimeTensor {
  // The constructor's overloads do not take a union; the table pairs type and data.
  const tensor = new RuntimeTensor(RUNTIME_TYPE[datatype] as "float32", data as Float32Array, [...shape]);
  // 1.30.0: its JavaScript half keeps a Float16Array, of which its native half sees no byte ("expected 4, got 0").
  if (data instanceof Float16Array)
    Object.defineProperty(tensor, "cpuData", { value: new Uint16Array(data.buffer, data.byteOffset, data.length) });
  return tensor;
}

export function fromRuntime(name: string, value: RuntimeTensor): Tensor {
  const datatype = datatypeOf(value.type);
  if (datatype === undefined)
    throw new Error(`output "${name}" has the type ${value.type}, which the protocol does not have`);
  return { name, datatype, shape: value.dims, data: value.data as TensorData };
}
