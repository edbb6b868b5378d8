import { describe, expect, it } from "@jest/globals";
import type {
  ConstantFacts,
  GraphNode,
} from "../../../../../../../control-plane/core/catalog/onnx/batching/graph-facts.ts";
import { proveRowIndependence } from "../../../../../../../control-plane/core/catalog/onnx/batching/prove.ts";

type Attributes = Readonly<Record<string, number | readonly number[] | string>>;
type NodeLine = readonly [operator: string, inputs: string, outputs: string, attributes?: Attributes];

const list = (names: string): string[] =>
  names === "" ? [] : names.split(" ").map((name) => (name === "-" ? "" : name));

function node([operator, inputs, outputs, attributes = {}]: NodeLine): GraphNode {
  const [name = "", domain = "ai.onnx"] = operator.split("@");
  const entries = Object.entries(attributes);
  const integers = entries.flatMap(([key, value]): [string, readonly number[]][] =>
    typeof value === "string" ? [] : [[key, typeof value === "number" ? [value] : value]],
  );
  const texts = entries.flatMap(([key, value]): [string, string][] =>
    typeof value === "string" ? [[key, value]] : [],
  );
  return {
    operator: name,
    domain,
    inputs: list(inputs),
    outputs: list(outputs),
    integers: new Map(integers),
    texts: new Map(texts),
    tensor: undefined,
    hasSubgraph: name === "If" || name === "Loop",
  };
}

const weights = (...dims: readonly number[]): ConstantFacts => ({ dims, integers: undefined });
const ints = (...integers: readonly number[]): ConstantFacts => ({ dims: [integers.length], integers });

/** What the proof says of `x` [n, …row] → `y`: `independent`, or the reason. */
function verdict(
  row: readonly number[],
  nodes: readonly NodeLine[],
  constants: Readonly<Record<string, ConstantFacts>> = {},
  opset = 17,
): string {
  const proof = proveRowIndependence({
    nodes: nodes.map(node),
    constants: new Map(Object.entries(constants)),
    inputs: [{ name: "x", shape: [-1, ...row] }],
    outputs: ["y"],
    opset,
  });
  return proof.kind === "independent" ? "independent" : proof.reason;
}

describe("the proof that rows are independent", () => {
  it("follows a dense network", () => {
    const layers: NodeLine[] = [
      ["MatMul", "x w", "a"],
      ["Add", "a b", "c"],
      ["Relu", "c", "d"],
      ["Gemm", "d v u", "e", { transB: 1 }],
      ["Softmax", "e", "y"],
    ];
    const constants = { w: weights(784, 32), b: weights(32), v: weights(10, 32), u: weights(10) };
    expect(verdict([784], layers, constants)).toBe("independent");
  });

  it("follows a convolutional network to a flattened row, by Flatten, by Reshape with 0 and by Reshape with −1", () => {
    const head: NodeLine[] = [
      ["Conv", "x k", "a", { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }],
      ["BatchNormalization", "a s s s s", "b"],
      ["Relu", "b", "c"],
      ["MaxPool", "c", "d", { kernel_shape: [2, 2], strides: [2, 2] }],
    ];
    const constants = { k: weights(8, 1, 3, 3), s: weights(8), w: weights(1568, 10) };
    const tail: NodeLine = ["MatMul", "e w", "y"];
    expect(verdict([1, 28, 28], [...head, ["Flatten", "d", "e"], tail], constants)).toBe("independent");
    const shaped = (shape: ConstantFacts): string =>
      verdict([1, 28, 28], [...head, ["Reshape", "d shape", "e"], tail], { ...constants, shape });
    expect(shaped(ints(0, -1))).toBe("independent");
    expect(shaped(ints(-1, 1568))).toBe("independent");
    expect(shaped(ints(-1, 784))).toMatch(/Reshape.*between rows/);
  });

  it("follows the shape that a tracing exporter computes: Shape, Gather, Concat, Reshape", () => {
    const nodes: NodeLine[] = [
      ["Shape", "x", "s"],
      ["Gather", "s zero", "n"],
      ["Unsqueeze", "n axes", "n1"],
      ["Concat", "n1 rest", "shape", { axis: 0 }],
      ["Reshape", "x shape", "y"],
    ];
    const constants = { zero: { dims: [], integers: [0] }, axes: ints(0), rest: ints(-1, 4) };
    expect(verdict([2, 8], nodes, constants)).toBe("independent");
  });

  it("follows an embedding, attention over one row's tokens, and a mean over them", () => {
    const nodes: NodeLine[] = [
      ["Gather", "table x", "e"],
      ["MatMul", "e q", "a"],
      ["Transpose", "e", "t", { perm: [0, 2, 1] }],
      ["MatMul", "a t", "scores"],
      ["Softmax", "scores", "p", { axis: -1 }],
      ["MatMul", "p e", "o"],
      ["LayerNormalization", "o g b", "l"],
      ["ReduceMean", "l", "y", { axes: [1], keepdims: 0 }],
    ];
    const constants = { table: weights(100, 16), q: weights(16, 16), g: weights(16), b: weights(16) };
    expect(verdict([-1], nodes, constants)).toBe("independent");
  });

  it("follows quantised weights and stored scales", () => {
    const nodes: NodeLine[] = [
      ["QuantizeLinear", "x scale zero", "q"],
      ["DequantizeLinear", "q scale zero", "d"],
      ["DequantizeLinear", "w scale zero", "v"],
      ["MatMul", "d v", "y"],
    ];
    const scalar: ConstantFacts = { dims: [], integers: undefined };
    expect(verdict([4], nodes, { scale: scalar, zero: scalar, w: weights(4, 2) })).toBe("independent");
  });

  it("follows forests and scalers of ai.onnx.ml", () => {
    const nodes: NodeLine[] = [
      ["Scaler@ai.onnx.ml", "x", "s"],
      ["TreeEnsembleClassifier@ai.onnx.ml", "s", "label y"],
    ];
    expect(verdict([4], nodes)).toBe("independent");
  });

  it.each<[string, readonly NodeLine[], RegExp]>([
    [
      "a maximum over the whole input",
      [
        ["ReduceMax", "x", "m", { keepdims: 0 }],
        ["Div", "x m", "y"],
      ],
      /ReduceMax.*whole tensor/,
    ],
    ["a reduction over the rows", [["ReduceSum", "x", "y", { axes: [0] }]], /ReduceSum.*along the rows/],
    ["a softmax over the rows", [["Softmax", "x", "y", { axis: 0 }]], /Softmax.*along the rows/],
    ["a negative axis that is the rows", [["Softmax", "x", "y", { axis: -2 }]], /Softmax.*along the rows/],
    [
      "dynamic quantisation",
      [
        ["DynamicQuantizeLinear", "x", "q s z"],
        ["DequantizeLinear", "q s z", "y"],
      ],
      /DynamicQuantizeLinear.*not known to keep rows apart/,
    ],
    [
      "random numbers",
      [
        ["RandomNormalLike", "x", "r"],
        ["Add", "x r", "y"],
      ],
      /random numbers/,
    ],
    [
      "a transposition of rows",
      [
        ["Transpose", "x", "t", { perm: [1, 0] }],
        ["Transpose", "t", "y", { perm: [1, 0] }],
      ],
      /Transpose/,
    ],
    [
      "products of rows with rows",
      [
        ["Transpose", "x", "t", { perm: [0, 1] }],
        ["MatMul", "x t", "y"],
      ],
      /MatMul.*along the rows/,
    ],
    ["a weight on the left of a matrix of rows", [["MatMul", "w x", "y"]], /MatMul.*along the rows/],
    ["a constant laid along the rows", [["Add", "x column", "y"]], /Add.*along the rows/],
    [
      "a division by the number of rows",
      [
        ["Shape", "x", "s"],
        ["Gather", "s zero", "n"],
        ["Cast", "n", "f"],
        ["Div", "x f", "y"],
      ],
      /Div.*number of rows/,
    ],
    [
      "a table laid along the rows after a dimension was multiplied into it",
      [
        ["Shape", "x", "s"],
        ["Gather", "s one", "width"],
        ["Mul", "column width", "table"],
        ["Add", "x table", "y"],
      ],
      /Mul.*a dimension with a tensor/,
    ],
    [
      "a scale of LayerNormalization that is laid along the rows",
      [["LayerNormalization", "x column", "y"]],
      /LayerNormalization.*a constant is laid along the rows/,
    ],
    ["joining along the rows", [["Concat", "x x", "y", { axis: 0 }]], /Concat.*along the rows/],
    ["a slice of the rows", [["Slice", "x zeros ones zeros", "y"]], /Slice.*along the rows/],
    ["padding of the rows", [["Pad", "x pads", "y"]], /Pad.*along the rows/],
    ["a running sum over the rows", [["CumSum", "x zero", "y"]], /CumSum.*along the rows/],
    ["a lookup in the rows", [["Gather", "x zeros", "y"]], /Gather.*along the rows/],
    ["a branch", [["If", "x", "y"]], /If.*graph of its own/],
    ["an unknown operator", [["Attention@com.example", "x", "y"]], /Attention.*not known/],
    [
      "places that MaxPool counts through all rows",
      [
        ["Unsqueeze", "x axes", "u"],
        ["MaxPool", "u", "v y", { kernel_shape: [1] }],
      ],
      /output "y" is no stack of rows/,
    ],
    ["an output that does not depend on the request", [["Identity", "w", "y"]], /output "y" is no stack of rows/],
  ])("stops at %s", (_, nodes, reason) => {
    const constants = {
      w: weights(4, 4),
      column: weights(3, 1),
      zero: { dims: [], integers: [0] },
      one: { dims: [], integers: [1] },
      zeros: ints(0),
      ones: ints(1),
      axes: ints(1),
      pads: ints(0, 0, 1, 0),
    };
    expect(verdict([4], nodes, constants)).toMatch(reason);
  });

  it("knows that Softmax took all dimensions from its axis on before opset 13", () => {
    expect(verdict([4, 5], [["Softmax", "x", "y"]], {}, 11)).toBe("independent");
    expect(verdict([4, 5], [["Softmax", "x", "y", { axis: 0 }]], {}, 11)).toMatch(/along the rows/);
  });

  it("refuses an input whose first dimension is fixed", () => {
    const graph = { nodes: [], constants: new Map(), outputs: ["y"], opset: 17 };
    expect(proveRowIndependence({ ...graph, inputs: [{ name: "x", shape: [1, 4] }] })).toEqual({
      kind: "unproved",
      reason: 'the first dimension of input "x" is fixed',
    });
  });
});
