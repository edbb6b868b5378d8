import protobuf from "protobufjs";

/** Writes ONNX models as protobuf, for the hand-made models beside this file. */

/** The part of onnx.proto that these models need; the field numbers are ONNX's. */
const { root } = protobuf.parse(`
  syntax = "proto2";
  message ModelProto { optional int64 irVersion = 1; optional GraphProto graph = 7; repeated OperatorSet opsetImport = 8; }
  message OperatorSet { optional string domain = 1; optional int64 version = 2; }
  message GraphProto {
    repeated NodeProto node = 1; optional string name = 2; repeated TensorProto initializer = 5;
    repeated ValueInfo input = 11; repeated ValueInfo output = 12;
  }
  message NodeProto {
    repeated string input = 1; repeated string output = 2; optional string name = 3; optional string opType = 4;
    repeated Attribute attribute = 5; optional string domain = 7;
  }
  message Attribute { optional string name = 1; optional int64 i = 3; optional TensorProto t = 5; optional GraphProto g = 6; repeated int64 ints = 8; optional int32 type = 20; }
  message TensorProto {
    repeated int64 dims = 1; optional int32 dataType = 2; repeated bytes stringData = 6; optional string name = 8; optional bytes rawData = 9;
    repeated Entry externalData = 13; optional int32 dataLocation = 14;
  }
  message Entry { optional string key = 1; optional string value = 2; }
  message ValueInfo { optional string name = 1; optional TypeProto type = 2; }
  message TypeProto { optional TensorType tensorType = 1; }
  message TensorType { optional int32 elemType = 1; optional Shape shape = 2; }
  message Shape { repeated Dimension dim = 1; }
  message Dimension { optional int64 dimValue = 1; optional string dimParam = 2; }
`);

const ModelProto = root.lookupType("ModelProto");

/** `TensorProto.DataType` of the protocol's datatypes. */
export const ELEMENT_TYPE = {
  FP32: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BYTES: 8,
  BOOL: 9,
  FP16: 10,
  FP64: 11,
  UINT32: 12,
  UINT64: 13,
  BF16: 16,
} as const;

export type ElementType = keyof typeof ELEMENT_TYPE;

/** A number is a fixed size, a word a variable one. No shape: the model does not tell its rank. */
interface Value {
  readonly name: string;
  readonly datatype: ElementType;
  readonly shape?: readonly (number | string)[];
}

export interface Node {
  readonly opType: string;
  readonly input?: readonly string[];
  readonly output: readonly string[];
  readonly attribute?: readonly object[];
  /** Default: ai.onnx. */
  readonly domain?: string;
}

interface Graph {
  readonly nodes: readonly Node[];
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly constants?: readonly object[];
}

const typeOf = ({ datatype, shape }: Value): object => ({
  tensorType: {
    elemType: ELEMENT_TYPE[datatype],
    ...(shape && {
      shape: { dim: shape.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size })) },
    }),
  },
});

export const graphProto = ({ nodes, inputs, outputs, constants = [] }: Graph, name = "g"): object => ({
  node: nodes,
  name,
  initializer: constants,
  input: inputs.map((value) => ({ name: value.name, type: typeOf(value) })),
  output: outputs.map((value) => ({ name: value.name, type: typeOf(value) })),
});

export function model(graph: Graph, irVersion = 8): Uint8Array {
  const message = ModelProto.create({
    irVersion,
    graph: graphProto(graph),
    opsetImport: [
      { domain: "", version: 17 },
      ...(graph.nodes.some(({ domain }) => domain === "com.microsoft")
        ? [{ domain: "com.microsoft", version: 1 }]
        : []),
    ],
  });
  return ModelProto.encode(message).finish();
}

export function constant(
  name: string,
  datatype: ElementType,
  dims: readonly number[],
  values: ArrayBufferView,
): object {
  const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, dims, dataType: ELEMENT_TYPE[datatype], rawData };
}

const EXTERNAL = 1;

/** A constant whose values are a file beside the graph, from its begin. */
export function externalConstant(
  name: string,
  datatype: ElementType,
  dims: readonly number[],
  location: string,
): object {
  const externalData = [{ key: "location", value: location }];
  return { name, dims, dataType: ELEMENT_TYPE[datatype], externalData, dataLocation: EXTERNAL };
}

export const int64s = (...values: readonly number[]): BigInt64Array => BigInt64Array.from(values.map(BigInt));

export const axis = (i: number): readonly object[] => [{ name: "axis", type: 2, i }];
