import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { inspectOnnx } from "../../../control-plane/core/catalog/onnx/inspect.ts";
import { graphModel } from "../../support/models/onnx/row-models.ts";

const SIZE = 3;
const ROW = [SIZE, SIZE];

interface Link {
  readonly name: string;
  /** Nodes from the tensor `a` to the tensor `b`; names of tensors between them begin with `b`. */
  readonly nodes: (a: string, b: string) => readonly Node[];
}
type Node = Parameters<typeof graphModel>[1][number];

const INTEGERS = 7;
const INTEGER = 2;
const ints = (name: string, ...values: readonly number[]): object => ({ name, ints: values, type: INTEGERS });
const int = (name: string, i: number): object => ({ name, i, type: INTEGER });
const op = (opType: string, input: readonly string[], output: string, ...attribute: readonly object[]): Node => ({
  opType,
  input,
  output: [output],
  attribute,
});

/** All keep the shape [n, 3, 3]; about half of them mix rows. */
const LINKS: readonly Link[] = [
  { name: "relu", nodes: (a, b) => [op("Relu", [a], b)] },
  { name: "tanh", nodes: (a, b) => [op("Tanh", [a], b)] },
  { name: "dense", nodes: (a, b) => [op("MatMul", [a, "w"], b)] },
  { name: "dense on the left", nodes: (a, b) => [op("MatMul", ["w", a], b)] },
  { name: "bias", nodes: (a, b) => [op("Add", [a, "bias"], b)] },
  { name: "table of one row", nodes: (a, b) => [op("Mul", [a, "one"], b)] },
  { name: "transpose", nodes: (a, b) => [op("Transpose", [a], b, ints("perm", 0, 2, 1))] },
  {
    name: "attention",
    nodes: (a, b) => [op("MatMul", [a, a], `${b}.s`), op("Softmax", [`${b}.s`], b, int("axis", -1))],
  },
  { name: "softmax of rows", nodes: (a, b) => [op("Softmax", [a], b, int("axis", 0))] },
  { name: "softmax within", nodes: (a, b) => [op("Softmax", [a], b, int("axis", 1))] },
  { name: "whole maximum", nodes: (a, b) => [op("ReduceMax", [a], `${b}.m`), op("Sub", [a, `${b}.m`], b)] },
  {
    name: "mean of rows",
    nodes: (a, b) => [op("ReduceMean", [a], `${b}.m`, ints("axes", 0)), op("Sub", [a, `${b}.m`], b)],
  },
  {
    name: "mean within",
    nodes: (a, b) => [op("ReduceMean", [a], `${b}.m`, ints("axes", 1, 2)), op("Sub", [a, `${b}.m`], b)],
  },
  {
    name: "joined",
    nodes: (a, b) => [op("Concat", [a, a], `${b}.c`, int("axis", 2)), op("MatMul", [`${b}.c`, "wide"], b)],
  },
  {
    name: "dynamic quantisation",
    nodes: (a, b) => [
      { opType: "DynamicQuantizeLinear", input: [a], output: [`${b}.q`, `${b}.s`, `${b}.z`] },
      op("DequantizeLinear", [`${b}.q`, `${b}.s`, `${b}.z`], b),
    ],
  },
  {
    name: "limit above a value",
    nodes: (a, b) => [
      op("ReduceMax", [a], `${b}.m`),
      op("Greater", [`${b}.m`, "limit"], `${b}.g`),
      op("Div", [a, "limit"], `${b}.d`),
      op("Where", [`${b}.g`, `${b}.d`, a], b),
    ],
  },
  {
    name: "turned about and back",
    nodes: (a, b) => [
      op("Transpose", [a], `${b}.t`, ints("perm", 1, 0, 2)),
      op("Relu", [`${b}.t`], `${b}.r`),
      op("Transpose", [`${b}.r`], b, ints("perm", 1, 0, 2)),
    ],
  },
];

const ramp = (length: number): number[] => Array.from({ length }, (_, i) => ((i * 7) % 5) / 4 - 0.4);
const CONSTANTS = {
  w: { dims: [SIZE, SIZE], values: ramp(9) },
  wide: { dims: [2 * SIZE, SIZE], values: ramp(18) },
  bias: { dims: [SIZE], values: ramp(3) },
  one: { dims: [1, SIZE, SIZE], values: ramp(9) },
  limit: { dims: [], values: [5] },
};

function chain(links: readonly Link[]): Uint8Array {
  const nodes = links.flatMap(({ nodes: of }, i) =>
    of(i === 0 ? "x" : `t${i}`, i === links.length - 1 ? "y" : `t${i + 1}`),
  );
  return graphModel(ROW, nodes, CONSTANTS);
}

function isProved(file: Uint8Array): boolean {
  const inspection = inspectOnnx({ size: file.length, read: (at, length) => file.subarray(at, at + length) });
  if (inspection.kind === "refused") throw new Error(inspection.reason);
  return inspection.model.rows.kind === "independent";
}

const WIDTH = SIZE * SIZE;

async function run(session: InferenceSession, rows: readonly (readonly number[])[]): Promise<readonly number[]> {
  const { y } = await session.run({ x: new Tensor("float32", rows.flat(), [rows.length, ...ROW]) });
  return Array.from(y?.data as Float32Array);
}

const row = fc.array(fc.oneof(fc.float({ min: -1, max: 1, noNaN: true }), fc.integer({ min: -1_000, max: 1_000 })), {
  minLength: WIDTH,
  maxLength: WIDTH,
});

describe("the proof that rows are independent, held against the runtime", () => {
  it("never holds for a graph in which rows change each other's answers", async () => {
    let proved = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...LINKS), { minLength: 1, maxLength: 5 }),
        fc.array(row, { minLength: 2, maxLength: 5 }),
        async (links, rows) => {
          const file = chain(links);
          if (!isProved(file)) return;
          proved += 1;
          const session = await InferenceSession.create(file, { logSeverityLevel: 4 });
          const together = await run(session, rows);
          for (const [i, each] of rows.entries()) {
            const alone = await run(session, [each]);
            const largest = Math.max(...alone.map(Math.abs));
            alone.forEach((value, j) =>
              expect(Math.abs(value - (together[i * WIDTH + j] ?? NaN))).toBeLessThanOrEqual(1e-4 * largest),
            );
          }
        },
      ),
      { numRuns: 400, seed: 7 },
    );
    expect(proved).toBeGreaterThan(50);
  });

  it.each(LINKS.map((link): [string, Link] => [link.name, link]))(
    "says of %s alone what a run shows",
    async (_, link) => {
      const file = chain([link]);
      const session = await InferenceSession.create(file, { logSeverityLevel: 4 });
      const first = Array.from({ length: WIDTH }, (__, i) => i / 10);
      const second = Array.from({ length: WIDTH }, (__, i) => 1_000 - 217 * i);
      const together = await run(session, [first, second]);
      const alone = await run(session, [first]);
      const isEqual = alone.every((value, j) => Math.abs(value - (together[j] ?? NaN)) <= 1e-4);
      // What turns rows about and back keeps them apart, but the proof does not follow it that far.
      expect(isProved(file)).toBe(isEqual && link.name !== "turned about and back");
    },
  );
});
