import { describe, expect, it } from "@jest/globals";
import { batchCheck } from "../../../../../../edge-node/model-host/onnx/batching/batch-check.ts";
import type { LoadedModel } from "../../../../../../edge-node/model-host/onnx/model.ts";

/** y = x for rows of two, which takes as many ms of a made-up clock as `costMs` says. Models that mix rows are in batching.test.ts. */
function setUp(costMs: (rows: number) => number): { readonly model: LoadedModel; readonly now: () => number } {
  let nowMs = 0;
  const signature = (name: string) => [{ name, datatype: "FP32", shape: [-1, 2] }];
  const model: LoadedModel = {
    inputs: signature("x"),
    optional: [],
    outputs: signature("y"),
    run(inputs) {
      nowMs += costMs(inputs[0]?.shape[0] ?? 0);
      return Promise.resolve(inputs.map((tensor) => ({ ...tensor, name: "y" })));
    },
  };
  return { model, now: () => nowMs };
}

describe("batchCheck", () => {
  it("lets a slow model share its runs when many rows take hardly longer than one", async () => {
    const { model, now } = setUp((rows) => 20 + rows);
    expect(await batchCheck(model, 21_000, { now })).toBeUndefined();
  });

  it("does not when the time of a slow model grows with its rows", async () => {
    const { model, now } = setUp((rows) => 20 * rows);
    expect(await batchCheck(model, 20_000, { now })).toBe(
      "three rows take 60.0 ms where one takes 20.0: too little is gained",
    );
  });

  it("measures again when the machine was busy elsewhere", async () => {
    let runs = 0;
    const { model, now } = setUp((rows) => 5 + (rows === 3 && (runs += 1) === 2 ? 30 : 0));
    expect(await batchCheck(model, 5_000, { now })).toBeUndefined();
  });

  it("does not ask what is gained of a quick model: fewer turns are gain enough", async () => {
    const { model, now } = setUp((rows) => 0.5 * rows);
    expect(await batchCheck(model, 500, { now })).toBeUndefined();
  });

  it("tries a model no further when a row takes too long", async () => {
    const { model, now } = setUp(() => 60);
    expect(await batchCheck(model, 60_000, { now })).toBe("a run takes 60 ms, too long for others to wait for it");
    expect(now()).toBe(120);
  });

  it("does not try a model at all that is slower still", async () => {
    const { model, now } = setUp(() => 600);
    expect(await batchCheck(model, 600_000, { now })).toBe("a run takes 600 ms, too long for others to wait for it");
    expect(now()).toBe(0);
  });

  it("reports a trial that failed", async () => {
    const { model, now } = setUp(() => 1);
    const failing = { ...model, run: () => Promise.reject(new Error("no such size")) };
    expect(await batchCheck(failing, 1_000, { now })).toBe("a trial failed: no such size");
  });
});
