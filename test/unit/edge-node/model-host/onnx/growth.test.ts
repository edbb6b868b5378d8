import { describe, expect, it } from "@jest/globals";
import type { LoadedModel } from "../../../../../edge-node/model-host/onnx/model.ts";
import { measureGrowth } from "../../../../../edge-node/model-host/onnx/growth.ts";

/** A model that keeps `mib` of each run's shape, as the runtime does, and takes `ms` for it. */
function aModel(
  shape: readonly number[],
  {
    mib,
    ms = () => 0,
  }: { readonly mib: (shape: readonly number[]) => number; readonly ms?: (shape: readonly number[]) => number },
) {
  const runs: string[] = [];
  let now = 0;
  let heldMiB = 50;
  const model: LoadedModel = {
    inputs: [{ name: "x", datatype: "FP32", shape }],
    optional: [],
    outputs: [{ name: "y", datatype: "FP32", shape: [-1] }],
    run([input]) {
      const sizes = input?.shape ?? [];
      runs.push(sizes.join("x"));
      now += ms(sizes);
      heldMiB = Math.max(heldMiB, 50 + mib(sizes));
      return Promise.resolve([]);
    },
  };
  return { model, runs, probe: { now: () => now, privateMiB: () => heldMiB } };
}

const LIMITS = { maxRows: 32, maxMiB: 10_000, budgetMs: 2_000 };
const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

describe("measureGrowth", () => {
  it("doubles the rows, then the other variable dimensions, and tells what the largest took", async () => {
    const { model, runs, probe } = aModel([-1, -1], { mib: (shape) => product(shape) / 10 });
    const grown = await measureGrowth(model, LIMITS, probe);
    expect(runs).toEqual([
      "1x1",
      "2x1",
      "4x1",
      "8x1",
      "16x1",
      "32x1",
      "32x2",
      "32x4",
      "32x8",
      "32x16",
      "32x32",
      "32x64",
      "32x128",
    ]);
    expect(grown.neededMiB).toBeCloseTo(50 + 409.6);
    expect(grown.addedMiB).toBeCloseTo(409.6);
  });

  it("stops before a run that could take more memory than there is", async () => {
    const { model, runs, probe } = aModel([-1, 784], { mib: (shape) => 10 * (shape[0] ?? 0) });
    const grown = await measureGrowth(model, { ...LIMITS, maxMiB: 200 }, probe);
    expect(runs).toEqual(["1x784", "2x784", "4x784", "8x784"]);
    expect(grown.neededMiB).toBeLessThanOrEqual(200);
  });

  it("stops before a run that could take longer than there is time", async () => {
    const { model, runs, probe } = aModel([-1, 784], { mib: () => 1, ms: (shape) => 100 * (shape[0] ?? 0) });
    await measureGrowth(model, LIMITS, probe);
    expect(runs).toEqual(["1x784", "2x784", "4x784", "8x784"]);
  });

  it("passes over sizes that the model does not take", async () => {
    const { model, runs, probe } = aModel([-1, 3, -1, -1], { mib: (shape) => shape[2] ?? 0 });
    const picky = {
      ...model,
      run: async (...of: Parameters<LoadedModel["run"]>) => {
        const outputs = await model.run(...of);
        if ((of[0][0]?.shape[2] ?? 0) < 8) throw new Error("kernel is larger than its input");
        return outputs;
      },
    };
    expect((await measureGrowth(picky, LIMITS, probe)).neededMiB).toBe(50 + 128);
    expect(runs.at(-1)).toBe("32x3x128x128");
  });

  it("throws when a run fails for lack of memory, as the process is of no use then", async () => {
    const { model, probe } = aModel([-1], { mib: () => 1 });
    const full = { ...model, run: () => Promise.reject(new Error("std::bad_alloc")) };
    await expect(measureGrowth(full, LIMITS, probe)).rejects.toThrow("bad_alloc");
  });

  it("runs nothing more of a model whose shapes are fixed", async () => {
    const { model, runs, probe } = aModel([1, 3, 224, 224], { mib: () => 1 });
    expect(await measureGrowth(model, LIMITS, probe)).toEqual({ neededMiB: 50, addedMiB: 0 });
    expect(runs).toEqual([]);
  });
});
