import { constant, model } from "./onnx-builder.ts";

/** One layer in three kinds of arithmetic: y = x · w for [any, 32] → [any, 4], with equal inputs and outputs. */

const ROWS = 32;
const COLUMNS = 4;
const X = { name: "x", datatype: "FP32", shape: ["n", ROWS] } as const;
const Y = { name: "y", datatype: "FP32", shape: ["n", COLUMNS] } as const;

/** −0.3 is none of half precision. Column c answers to the inputs with the index c modulo 4. */
const weights = (): Float32Array =>
  Float32Array.from({ length: ROWS * COLUMNS }, (_, i) =>
    Math.floor(i / COLUMNS) % COLUMNS === i % COLUMNS ? 1 : -0.3,
  );

/** Weights that nothing reads: they make a graph as large as one likes. */
const ballast = (mebibytes: number) =>
  mebibytes === 0 ? [] : [constant("ballast", "FP32", [mebibytes * 262_144], new Float32Array(mebibytes * 262_144))];

/** `every`: the value of all of its weights. */
export const layerModel = ({
  mebibytes = 0,
  every,
}: { readonly mebibytes?: number; readonly every?: number } = {}): Uint8Array =>
  model({
    nodes: [{ opType: "MatMul", input: ["x", "w"], output: ["y"] }],
    inputs: [X],
    outputs: [Y],
    constants: [
      constant(
        "w",
        "FP32",
        [ROWS, COLUMNS],
        weights().map((weight) => every ?? weight),
      ),
      ...ballast(mebibytes),
    ],
  });

/** Dynamically quantised, as `quantize_dynamic` writes it. `sign`: −1 decides for another column. */
export function int8LayerModel({ sign = 1 }: { readonly sign?: 1 | -1 } = {}): Uint8Array {
  const scale = 1 / 127;
  const quantized = Int8Array.from(weights(), (weight) => Math.round((sign * weight) / scale));
  return model({
    nodes: [
      { opType: "DynamicQuantizeLinear", input: ["x"], output: ["xq", "xs", "xz"] },
      { opType: "MatMulInteger", input: ["xq", "w", "xz", "wz"], output: ["whole"] },
      { opType: "Cast", input: ["whole"], output: ["real"], attribute: [{ name: "to", type: 2, i: 1 }] },
      { opType: "Mul", input: ["xs", "ws"], output: ["scale"] },
      { opType: "Mul", input: ["real", "scale"], output: ["y"] },
    ],
    inputs: [X],
    outputs: [Y],
    constants: [
      constant("w", "INT8", [ROWS, COLUMNS], quantized),
      constant("wz", "INT8", [], Int8Array.of(0)),
      constant("ws", "FP32", [], Float32Array.of(scale)),
    ],
  });
}

/** In half precision inside; `keepsIo`: its inputs and outputs are those of the reference. */
export function fp16LayerModel({ keepsIo = true }: { readonly keepsIo?: boolean } = {}): Uint8Array {
  const half = Uint16Array.from(weights(), (weight) => (weight === 1 ? 0x3c00 : 0xb4cd));
  const to = (i: number) => [{ name: "to", type: 2, i }];
  const cast = { input: "xh", output: "yh" };
  return model({
    nodes: keepsIo
      ? [
          { opType: "Cast", input: ["x"], output: [cast.input], attribute: to(10) },
          { opType: "MatMul", input: [cast.input, "w"], output: [cast.output] },
          { opType: "Cast", input: [cast.output], output: ["y"], attribute: to(1) },
        ]
      : [{ opType: "MatMul", input: ["x", "w"], output: ["y"] }],
    inputs: [keepsIo ? X : { ...X, datatype: "FP16" }],
    outputs: [keepsIo ? Y : { ...Y, datatype: "FP16" }],
    constants: [constant("w", "FP16", [ROWS, COLUMNS], half)],
  });
}

/** Inputs of which row i belongs to column i modulo 4, as a samples file has them. */
export const layerInputs = (rows: number): Float32Array =>
  Float32Array.from({ length: rows * ROWS }, (_, i) => {
    const row = Math.floor(i / ROWS);
    return ((i % ROWS) % COLUMNS === row % COLUMNS ? 1 : 0.1) * (0.5 + ((i * 37) % 101) / 202);
  });
