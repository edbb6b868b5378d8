import { graphProto, model, constant, int64s } from "./onnx-builder.ts";

/** Models that load or run for too long, or hold too much. */

/**
 * Loops as often as the input `turns` says, 1,000 for each 1: with zeros the warm run is over at once, and a large
 * number never returns. `forever`: loops without end on any input, the warm run included.
 */
export function loopModel({ forever }: { readonly forever: boolean }): Uint8Array {
  return model({
    nodes: [
      { opType: "Mul", input: ["turns", "thousand"], output: ["count"] },
      { opType: "Loop", input: [forever ? "" : "count", "yes", "turns"], output: ["last"], attribute: loopBody([]) },
    ],
    inputs: [{ name: "turns", datatype: "INT64", shape: [] }],
    outputs: [{ name: "last", datatype: "INT64", shape: [] }],
    constants: [constant("yes", "BOOL", [], Uint8Array.of(1)), constant("thousand", "INT64", [], int64s(1_000))],
  });
}

/** y = x [any], after as many turns as the largest of its rows says: a batch is as slow as its slowest. */
export const loopingRowsModel = (): Uint8Array =>
  model({
    nodes: [
      { opType: "ReduceMax", input: ["x"], output: ["count"], attribute: [{ name: "keepdims", type: 2, i: 0 }] },
      { opType: "Loop", input: ["count", "yes", "x"], output: ["y"], attribute: loopBody(["n"]) },
    ],
    inputs: [{ name: "x", datatype: "INT64", shape: ["n"] }],
    outputs: [{ name: "y", datatype: "INT64", shape: ["n"] }],
    constants: [constant("yes", "BOOL", [], Uint8Array.of(1))],
  });

/** A turn that carries its value on, unchanged. */
function loopBody(shape: readonly (number | string)[]): readonly object[] {
  const body = graphProto(
    {
      nodes: [
        { opType: "Identity", input: ["going"], output: ["go_on"] },
        { opType: "Identity", input: ["carried"], output: ["carry"] },
      ],
      inputs: [
        { name: "i", datatype: "INT64", shape: [] },
        { name: "going", datatype: "BOOL", shape: [] },
        { name: "carried", datatype: "INT64", shape },
      ],
      outputs: [
        { name: "go_on", datatype: "BOOL", shape: [] },
        { name: "carry", datatype: "INT64", shape },
      ],
    },
    "body",
  );
  return [{ name: "body", type: 5, g: body }];
}

/** Holds `mebibytes` while it loads: the runtime folds the constant into the graph. */
export const loadBombModel = (mebibytes: number): Uint8Array =>
  model({
    nodes: [
      { opType: "ConstantOfShape", input: ["shape"], output: ["huge"] },
      { opType: "ReduceSum", input: ["huge"], output: ["sum"] },
      { opType: "Add", input: ["x", "sum"], output: ["y"] },
    ],
    inputs: [{ name: "x", datatype: "FP32", shape: ["n"] }],
    outputs: [{ name: "y", datatype: "FP32" }],
    constants: [constant("shape", "INT64", [1], int64s(mebibytes * 262_144))],
  });

/** Holds as many MiB while it runs as its input says: `mebibytes` [1] → sum [1]. */
export const runBombModel = (): Uint8Array =>
  model({
    nodes: [
      { opType: "Mul", input: ["mebibytes", "elements"], output: ["shape"] },
      { opType: "ConstantOfShape", input: ["shape"], output: ["huge"] },
      { opType: "Exp", input: ["huge"], output: ["powers"] },
      { opType: "ReduceSum", input: ["powers"], output: ["sum"] },
    ],
    inputs: [{ name: "mebibytes", datatype: "INT64", shape: [1] }],
    outputs: [{ name: "sum", datatype: "FP32", shape: [1] }],
    constants: [constant("elements", "INT64", [1], int64s(262_144))],
  });

/** y = Σ exp(x · w), [any, 1] each, by way of `mebibytes` for each row: a run's memory grows with its rows. */
export const wideRowsModel = (mebibytes: number): Uint8Array =>
  model({
    nodes: [
      { opType: "MatMul", input: ["x", "w"], output: ["wide"] },
      { opType: "Exp", input: ["wide"], output: ["powers"] },
      { opType: "ReduceSum", input: ["powers", "axes"], output: ["y"] },
    ],
    inputs: [{ name: "x", datatype: "FP32", shape: ["n", 1] }],
    outputs: [{ name: "y", datatype: "FP32", shape: ["n", 1] }],
    constants: [
      constant("w", "FP32", [1, mebibytes * 262_144], new Float32Array(mebibytes * 262_144)),
      constant("axes", "INT64", [1], int64s(1)),
    ],
  });

/** Names an operator that does not exist: refused when it is loaded. */
export const unknownOperatorModel = (): Uint8Array =>
  model({
    nodes: [{ opType: "Frobnicate", input: ["x"], output: ["y"] }],
    inputs: [{ name: "x", datatype: "FP32", shape: [2] }],
    outputs: [{ name: "y", datatype: "FP32", shape: [2] }],
  });
