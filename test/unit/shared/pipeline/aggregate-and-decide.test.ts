import { describe, expect, it } from "@jest/globals";
import { STEP_KINDS } from "../../../../shared/pipeline/registry.ts";
import type { Value } from "../../../../shared/pipeline/values.ts";
import { columnsOf, tableOf, valueOf } from "./run-step.ts";

const numbers = (...values: readonly number[]): Value => ({
  kind: "tensor",
  datatype: "FP32",
  shape: [values.length, 1],
  data: Float32Array.from(values),
});
const labelsOf = (value: Value): readonly string[] => (value.kind === "decision" ? value.labels : []);
const refusalOf = (name: string, params: object): string => {
  const parsed = STEP_KINDS.get(name)?.params.safeParse(params);
  return parsed?.error?.issues[0]?.message ?? "";
};

describe("aggregating", () => {
  const readings = tableOf({ sensor: ["a", "b", "a", "a", "b", "a"], t: [1, 10, 3, Number.NaN, 30, 8] });
  const columns = {
    mean: { of: "t", how: "mean" },
    max: { of: "t", how: "max" },
    median: { of: "t", how: "percentile", percentile: 50 },
    rows: { how: "count" },
  };

  it("refuses windows that hold too many numbers together", () => {
    const long = tableOf({ t: Array.from({ length: 20_000 }, (_, row) => row) });
    const wide = { rows: 10_000, step: 1, columns: { sum: { of: "t", how: "sum" } } };
    expect(() => valueOf("aggregate", wide, long)).toThrow("it would make 100010000 numbers");
  });

  it("has a row for each window of each key, in the order in which they end", () => {
    const made = valueOf("aggregate", { key: "sensor", rows: 2, step: 2, columns }, readings);
    expect(columnsOf(made)).toEqual({
      sensor: ["a", "b", "a"],
      mean: [2, 20, 8],
      max: [3, 30, 8],
      median: [2, 20, 8],
      rows: [2, 2, 2],
    });
  });

  it("slides over all rows without a key", () => {
    const table = tableOf({ t: [1, 2, 3, 4] });
    const params = { rows: 3, step: 1, columns: { sum: { of: "t", how: "sum" }, std: { of: "t", how: "std" } } };
    const made = columnsOf(valueOf("aggregate", params, table));
    expect(made["sum"]).toEqual([6, 9]);
    expect(made["std"]?.[0]).toBeCloseTo(Math.sqrt(2 / 3), 12);
  });

  it("has a percentile between the nearest ranks", () => {
    const params = { rows: 4, step: 4, columns: { p: { of: "t", how: "percentile", percentile: 90 } } };
    expect(columnsOf(valueOf("aggregate", params, tableOf({ t: [4, 1, 3, 2] })))["p"]?.[0]).toBeCloseTo(3.7, 12);
  });

  it("refuses a window without bound, a gap between windows, and more keys than allowed", () => {
    expect(refusalOf("aggregate", { step: 1, columns })).toContain("expected number");
    expect(refusalOf("aggregate", { rows: 2, step: 3, columns })).toBe("step is at most rows: no row is left out");
    expect(() => valueOf("aggregate", { key: "sensor", rows: 1, step: 1, columns, maxKeys: 1 }, readings)).toThrow(
      "there are 2 keys; maxKeys is 1",
    );
  });
});

describe("deciding by one number", () => {
  const bands = [
    { below: 10, label: "cold" },
    { below: 20, label: "mild" },
  ];

  it("finds the band in which it lies", () => {
    expect(labelsOf(valueOf("band", { bands, above: "hot" }, numbers(9.9, 10, 20)))).toEqual(["cold", "mild", "hot"]);
    expect(() => valueOf("band", { bands, above: "hot" }, numbers(Number.NaN))).toThrow("row 0");
    expect(refusalOf("band", { bands: bands.toReversed(), above: "hot" })).toContain("each band begins where");
  });

  it("stays where it is between two thresholds", () => {
    const params = { rise: 0.8, fall: 0.4, above: "on", below: "off" };
    const scores = numbers(0.7, 0.9, 0.5, 0.39, 0.7);
    expect(labelsOf(valueOf("hysteresis", params, scores))).toEqual(["off", "on", "on", "off", "off"]);
    expect(refusalOf("hysteresis", { ...params, fall: 0.9 })).toBe("fall is at most rise");
  });
});

describe("a table of rules", () => {
  it("changes a label by the first rule that applies", () => {
    const decided = { kind: "decision", labels: ["1", "1", "7"], confidence: Float32Array.of(0.9, 0.5, 0.95) } as const;
    const table = [
      { below: 0.6, becomes: "unsure" },
      { label: "7", from: 0.9, becomes: "surely 7" },
    ];
    expect(labelsOf(valueOf("rules", { table }, decided))).toEqual(["1", "unsure", "surely 7"]);
    expect(refusalOf("rules", { table: [{ becomes: "x" }] })).toBe("a rule has label, below or from");
  });
});

describe("non-maximum suppression", () => {
  // Two of class 0 that overlap by 81/119, one of class 1 at the same place, one of class 0 elsewhere, one below the score.
  const boxes = [
    [0, 0, 10, 10, 0.9, 0.1],
    [1, 1, 11, 11, 0.8, 0.1],
    [0, 0, 10, 10, 0.2, 0.7],
    [50, 50, 60, 60, 0.6, 0.1],
    [80, 80, 90, 90, 0.1, 0.2],
  ];
  const rows: Value = { kind: "tensor", datatype: "FP32", shape: [1, 5, 6], data: Float32Array.from(boxes.flat()) };
  const found = (value: Value): readonly (readonly [string, number])[] =>
    (JSON.parse(labelsOf(value)[0] ?? "[]") as { label: string; box: number[] }[]).map(({ label, box }) => [
      label,
      box[0] ?? -1,
    ]);

  it("keeps the best of those that overlap, class by class", () => {
    const params = { boxes: "rows", format: "corners", labels: ["cat", "dog"] };
    const made = valueOf("nms", params, rows);
    expect(found(made)).toEqual([
      ["cat", 0],
      ["dog", 0],
      ["cat", 50],
    ]);
    expect(made).toMatchObject({ confidence: Float32Array.of(0.9) });
    expect(found(valueOf("nms", { ...params, overlap: 0.7 }, rows))).toHaveLength(4);
    expect(found(valueOf("nms", { ...params, most: 1 }, rows))).toEqual([["cat", 0]]);
  });

  it("finds the same in boxes by columns, around their centre", () => {
    const centred = boxes.map(([a = 0, b = 0, c = 0, d = 0, ...scores]) => [
      (a + c) / 2,
      (b + d) / 2,
      c - a,
      d - b,
      ...scores,
    ]);
    const data = Float32Array.from(
      Array.from({ length: 6 }, (_, field) => centred.map((box) => box[field] ?? 0)).flat(),
    );
    const columns: Value = { kind: "tensor", datatype: "FP32", shape: [1, 6, 5], data };
    const params = { boxes: "columns", format: "centre", labels: ["cat", "dog"] };
    expect(found(valueOf("nms", params, columns))).toEqual(
      found(valueOf("nms", { boxes: "rows", format: "corners", labels: ["cat", "dog"] }, rows)),
    );
  });
});
