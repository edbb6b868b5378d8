import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { batchKey, rowsOf, split, stack } from "../../../../../../edge-node/model-host/onnx/batching/batch-rows.ts";
import type { Tensor } from "../../../../../../shared/inference/tensors/datatypes.ts";
import type { InferRequest } from "../../../../../../shared/inference/request.ts";

const floats = (shape: readonly number[], from = 0): Tensor => ({
  name: "x",
  datatype: "FP32",
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => from + i),
});
const words = (...data: string[]): Tensor => ({ name: "w", datatype: "BYTES", shape: [data.length], data });
const request = (inputs: readonly Tensor[], ...outputs: readonly string[]): InferRequest => ({
  id: undefined,
  inputs,
  outputs: outputs.map((name) => ({ name, binary: true })),
});

const keyOf = ({ inputs, outputs }: InferRequest): string =>
  batchKey(
    inputs,
    outputs.map(({ name }) => name),
  );

describe("a batch", () => {
  it("gives every request its own rows back", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 4 }),
        (counts, width) => {
          const requests = counts.map((rows, i) => [
            floats([rows, width], 100 * i),
            words(...Array.from({ length: rows }, (_, row) => `${i}.${row}`)),
          ]);
          const shares = split(stack(requests), counts);
          expect(shares?.map((tensors) => tensors.map(({ shape, data }) => [shape, [...data]]))).toEqual(
            requests.map((tensors) => tensors.map(({ shape, data }) => [shape, [...data]])),
          );
        },
      ),
    );
  });

  it("stacks what lies askew in a larger buffer", () => {
    const bytes = new Uint8Array(20);
    new Float32Array(bytes.buffer, 4, 2).set([1, 2]);
    const view: Tensor = { name: "x", datatype: "FP32", shape: [1, 2], data: new Float32Array(bytes.buffer, 4, 2) };
    expect([...(stack([[view], [view]])[0]?.data ?? [])]).toEqual([1, 2, 1, 2]);
  });

  it("does not guess whose rows an output holds when their number changed", () => {
    expect(split([floats([3, 2])], [1, 1])).toBeUndefined();
    expect(split([floats([])], [1, 1])).toBeUndefined();
  });

  it("counts rows only where all inputs agree on them", () => {
    expect(rowsOf(request([floats([3, 2]), floats([3])]))).toBe(3);
    expect(rowsOf(request([floats([3, 2]), floats([2])]))).toBeUndefined();
    expect(rowsOf(request([floats([0, 2])]))).toBeUndefined();
    expect(rowsOf(request([floats([])]))).toBeUndefined();
  });

  it("holds together only rows of one size and the same outputs", () => {
    const key = keyOf(request([floats([3, 2, 4])], "y"));
    expect(keyOf(request([floats([1, 2, 4])], "y"))).toBe(key);
    expect(keyOf(request([floats([3, 4, 2])], "y"))).not.toBe(key);
    expect(keyOf(request([floats([3, 2, 4])], "y", "z"))).not.toBe(key);
    expect(keyOf(request([floats([3, 2, 4]), floats([3])], "y"))).not.toBe(key);
  });
});
