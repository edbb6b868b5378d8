import protobuf from "protobufjs";

/** IR version 8 belongs to opset 17 (ONNX 1.12): old enough for any runtime in the field. */
export const IR_VERSION = 8;
export const OPSET_VERSION = 17;

/** `TensorProto.DataType.FLOAT`: 32-bit floats. */
export const FLOAT = 1;

/** The `AttributeProto.AttributeType`s in use. */
export const ATTRIBUTE_TYPE = { int: 2, ints: 7 } as const;

// The part of onnx.proto (github.com/onnx/onnx) that our graphs need. The numbers are ONNX's. The names
// never reach the file: fields are camel case here, and the messages ONNX nests stand side by side.
const MESSAGES: Record<string, protobuf.IType> = {
  ModelProto: {
    fields: {
      irVersion: { type: "int64", id: 1 },
      producerName: { type: "string", id: 2 },
      graph: { type: "GraphProto", id: 7 },
      opsetImport: { rule: "repeated", type: "OperatorSetIdProto", id: 8 },
    },
  },
  OperatorSetIdProto: {
    fields: { domain: { type: "string", id: 1 }, version: { type: "int64", id: 2 } },
  },
  GraphProto: {
    fields: {
      node: { rule: "repeated", type: "NodeProto", id: 1 },
      name: { type: "string", id: 2 },
      initializer: { rule: "repeated", type: "TensorProto", id: 5 },
      input: { rule: "repeated", type: "ValueInfoProto", id: 11 },
      output: { rule: "repeated", type: "ValueInfoProto", id: 12 },
    },
  },
  NodeProto: {
    fields: {
      input: { rule: "repeated", type: "string", id: 1 },
      output: { rule: "repeated", type: "string", id: 2 },
      name: { type: "string", id: 3 },
      opType: { type: "string", id: 4 },
      attribute: { rule: "repeated", type: "AttributeProto", id: 5 },
    },
  },
  AttributeProto: {
    fields: {
      name: { type: "string", id: 1 },
      i: { type: "int64", id: 3 },
      ints: { rule: "repeated", type: "int64", id: 8 },
      type: { type: "int32", id: 20 },
    },
  },
  TensorProto: {
    fields: {
      dims: { rule: "repeated", type: "int64", id: 1 },
      dataType: { type: "int32", id: 2 },
      name: { type: "string", id: 8 },
      rawData: { type: "bytes", id: 9 },
    },
  },
  ValueInfoProto: {
    fields: { name: { type: "string", id: 1 }, type: { type: "TypeProto", id: 2 } },
  },
  TypeProto: {
    fields: { tensorType: { type: "TensorTypeProto", id: 1 } },
  },
  TensorTypeProto: {
    fields: { elemType: { type: "int32", id: 1 }, shape: { type: "TensorShapeProto", id: 2 } },
  },
  TensorShapeProto: {
    fields: { dim: { rule: "repeated", type: "DimensionProto", id: 1 } },
  },
  DimensionProto: {
    oneofs: { value: { oneof: ["dimValue", "dimParam"] } },
    fields: { dimValue: { type: "int64", id: 1 }, dimParam: { type: "string", id: 2 } },
  },
};

// Each message must say its edition: protobufjs reads a JSON descriptor without one as proto3, which
// packs lists and leaves out fields that hold 0 or "", so an `axis: 0` would be lost.
const root = protobuf.Root.fromJSON({
  nested: Object.fromEntries(
    Object.entries(MESSAGES).map(([name, message]) => [name, { ...message, edition: "proto2" }]),
  ),
});

/** The whole file: what an `.onnx` file holds is one encoded `ModelProto`. */
export const ModelProto = root.lookupType("ModelProto");
