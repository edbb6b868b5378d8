import { constant, model } from "./onnx-builder.ts";

export const ROWS = 20;
const WIDTH = 1_024;
/** Every second row decides for the first column; every fifth one the other way round where `isTurned`. */
export const scoreTable = ({ rows = ROWS, isTurned = false } = {}): Float32Array =>
  Float32Array.from({ length: 2 * rows }, (_, at) => {
    const [row, column] = [Math.floor(at / 2), at % 2];
    return (row % 2 === column) !== (isTurned && row % 5 === 0) ? 0.9 : 0.1;
  });

/** The row of the table for each index: fails at run on an index beyond it. `layers`: products with a large matrix that change nothing. */
export function scoresModel(values: Float32Array, { layers = 0 } = {}): Uint8Array {
  const work = Array.from({ length: layers }, (_, at) => ({
    opType: "MatMul",
    input: [`h${at}`, "large"],
    output: [`h${at + 1}`],
  }));
  return model({
    nodes: [
      { opType: "Gather", input: ["table", "index"], output: ["picked"] },
      { opType: "MatMul", input: ["picked", "wide"], output: ["h0"] },
      ...work,
      { opType: "MatMul", input: [`h${layers}`, "narrow"], output: ["nothing"] },
      { opType: "Add", input: ["picked", "nothing"], output: ["scores"] },
    ],
    inputs: [{ name: "index", datatype: "INT64", shape: ["n"] }],
    outputs: [{ name: "scores", datatype: "FP32", shape: ["n", 2] }],
    constants: [
      constant("table", "FP32", [values.length / 2, 2], values),
      constant("wide", "FP32", [2, WIDTH], new Float32Array(2 * WIDTH)),
      constant("narrow", "FP32", [WIDTH, 2], new Float32Array(WIDTH * 2)),
      ...(layers === 0 ? [] : [constant("large", "FP32", [WIDTH, WIDTH], new Float32Array(WIDTH * WIDTH))]),
    ],
  });
}
