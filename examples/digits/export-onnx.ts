import { CLASS_COUNT, IMAGE_SIDE } from "./digit.ts";
import type { Parameter } from "./network/network.ts";
import { ATTRIBUTE_TYPE, FLOAT, IR_VERSION, ModelProto, OPSET_VERSION } from "./onnx-proto.ts";

/** A tensor at the border of a graph. −1 in the shape is the batch, free from 1 up. */
export interface OnnxValue {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Grey images, [batch, channels, height, width]; 0 is paper, 1 is ink. */
export const INPUT: OnnxValue = { name: "image", shape: [-1, 1, IMAGE_SIDE, IMAGE_SIDE] };

/** Probability of each digit, [batch, 10]; every row sums to 1. */
export const OUTPUT: OnnxValue = { name: "probabilities", shape: [-1, CLASS_COUNT] };

/** One operator. A name among its inputs is the graph's input, a parameter, or an earlier node's output. */
export interface OnnxNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

export interface OnnxGraph {
  readonly name: string;
  /** In the order they run: ONNX wants graphs sorted. */
  readonly nodes: readonly OnnxNode[];
  readonly parameters: readonly Parameter[];
}

/** Encodes a graph from {@link INPUT} to {@link OUTPUT} as an ONNX file. Same graph, same bytes. */
export function exportOnnx(graph: OnnxGraph): Uint8Array {
  const message = ModelProto.fromObject({
    irVersion: IR_VERSION,
    producerName: "skerry-digits",
    opsetImport: [{ domain: "", version: OPSET_VERSION }],
    graph: {
      name: graph.name,
      node: graph.nodes.map(describeNode),
      initializer: graph.parameters.map(describeTensor),
      input: [describeValue(INPUT)],
      output: [describeValue(OUTPUT)],
    },
  });
  return ModelProto.encode(message).finish();
}

function describeNode(node: OnnxNode): object {
  return {
    input: node.inputs,
    output: [node.output],
    name: node.output,
    opType: node.operator,
    attribute: Object.entries(node.attributes ?? {}).map(([name, value]) =>
      typeof value === "number"
        ? { name, i: value, type: ATTRIBUTE_TYPE.int }
        : { name, ints: value, type: ATTRIBUTE_TYPE.ints },
    ),
  };
}

function describeTensor({ name, shape, values }: Parameter): object {
  // ONNX wants little-endian; a copy of the array's own memory would be the machine's order.
  const rawData = new Uint8Array(values.length * 4);
  const view = new DataView(rawData.buffer);
  values.forEach((value, i) => view.setFloat32(i * 4, value, true));
  return { dims: shape, dataType: FLOAT, name, rawData };
}

function describeValue({ name, shape }: OnnxValue): object {
  const dim = shape.map((extent) => (extent === -1 ? { dimParam: "batch" } : { dimValue: extent }));
  return { name, type: { tensorType: { elemType: FLOAT, shape: { dim } } } };
}
