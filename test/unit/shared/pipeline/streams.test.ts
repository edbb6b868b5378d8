import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { readDocument } from "../../../../shared/pipeline/document.ts";
import { planPipeline } from "../../../../shared/pipeline/planner.ts";
import { StreamMemory } from "../../../../shared/pipeline/stream/stream-memory.ts";
import type { Value, ValueType } from "../../../../shared/pipeline/values.ts";
import { columnsOf, stepOf, tableOf } from "./run-step.ts";

interface Row {
  readonly key: string;
  readonly t: number;
  readonly x: number;
}

const TYPE: ValueType = { kind: "table", columns: { key: "text", t: "number", x: "number" } };
const COLUMNS = {
  mean: { of: "x", how: "mean" },
  min: { of: "x", how: "min" },
  max: { of: "x", how: "max" },
  count: { how: "count" },
  p75: { of: "x", how: "percentile", percentile: 75 },
};
const table = (rows: readonly Row[]): Value =>
  rows.length === 0
    ? {
        kind: "table",
        rows: 0,
        columns: new Map<string, Float64Array | readonly string[]>([
          ["key", []],
          ["t", new Float64Array()],
          ["x", new Float64Array()],
        ]),
      }
    : tableOf({ key: rows.map(({ key }) => key), t: rows.map(({ t }) => t), x: rows.map(({ x }) => x) });

interface Made {
  readonly rows: readonly object[];
  readonly late: number;
  readonly droppedRows: number;
  readonly droppedKeys: number;
}

/** Request after request, each with what the one before left, as bytes. */
function streamed(params: object, requests: readonly (readonly Row[])[]): Made {
  const run = stepOf("stream-aggregate", params, TYPE);
  let kept: Uint8Array | undefined;
  const rows: object[] = [];
  const sums = { late: 0, droppedRows: 0, droppedKeys: 0 };
  for (const request of requests) {
    const memory = new StreamMemory(kept);
    const columns = columnsOf(run(table(request), memory));
    const count = columns["count"]?.length ?? 0;
    for (let row = 0; row < count; row += 1)
      rows.push(Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[row]])));
    sums.late += memory.leftOut.lateRows;
    sums.droppedRows += memory.leftOut.droppedRows;
    sums.droppedKeys += memory.leftOut.droppedKeys;
    kept = memory.encode();
  }
  return { rows, ...sums };
}

/** The plain way, over all rows at once. */
function numbersOf(key: string, rows: readonly Row[]): object {
  const sorted = rows.map(({ x }) => x).toSorted((a, b) => a - b);
  const place = 0.75 * (sorted.length - 1);
  const below = sorted[Math.floor(place)] ?? 0;
  const above = sorted[Math.ceil(place)] ?? 0;
  return {
    key,
    mean: rows.reduce((sum, { x }) => sum + x, 0) / rows.length,
    min: sorted[0],
    max: sorted.at(-1),
    count: rows.length,
    p75: below + (place - Math.floor(place)) * (above - below),
  };
}

const anyRow = fc.record({
  key: fc.constantFrom("a", "b", "c"),
  t: fc.integer({ min: 0, max: 60 }),
  x: fc.integer({ min: -50, max: 50 }),
});
const anyStream = fc.array(fc.array(anyRow, { maxLength: 6 }), { maxLength: 12 });

describe("windows over a stream", () => {
  it("are by count what they are over all its rows at once, however they are divided into requests", () => {
    const sizes = fc
      .integer({ min: 1, max: 5 })
      .chain((rows) => fc.tuple(fc.constant(rows), fc.integer({ min: 1, max: rows })));
    fc.assert(
      fc.property(anyStream, sizes, fc.boolean(), (requests, [size, step], partial) => {
        const expected: object[] = [];
        const byKey = new Map<string, Row[]>();
        for (const row of requests.flat()) {
          const own = byKey.get(row.key) ?? [];
          byKey.set(row.key, own);
          own.push(row);
          const isEnd = (own.length - size) % step === 0;
          if (isEnd && (partial || own.length >= size)) expected.push(numbersOf(row.key, own.slice(-size)));
        }
        const made = streamed({ key: "key", rows: size, step, partial, columns: COLUMNS }, requests);
        expect(made).toEqual({ rows: expected, late: 0, droppedRows: 0, droppedKeys: 0 });
      }),
    );
  });

  it("are by time what a plain count of closed windows makes, with late rows left out and counted", () => {
    const lengths = fc.tuple(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 0, max: 8 }),
    );
    fc.assert(
      fc.property(anyStream, lengths, (requests, [every, times, lateness]) => {
        const size = every * times;
        const expected: object[] = [];
        let late = 0;
        const byKey = new Map<string, { rows: Row[]; newest: number; closed: Set<number> }>();
        const startsOf = (t: number): number[] =>
          Array.from({ length: times }, (_, back) => (Math.floor(t / every) - back) * every);
        for (const row of requests.flat()) {
          const own = byKey.get(row.key) ?? { rows: [], newest: -Infinity, closed: new Set<number>() };
          byKey.set(row.key, own);
          const hasEnded = (start: number): boolean => start + size <= own.newest - lateness;
          if (startsOf(row.t).every(hasEnded)) {
            late += 1;
            continue;
          }
          const before = own.newest;
          own.rows.push(row);
          own.newest = Math.max(own.newest, row.t);
          // Of this row's windows those that had ended before it do not count it: they were told already.
          const ending = [...new Set(own.rows.flatMap(({ t }) => startsOf(t)))]
            .filter((start) => hasEnded(start) && !(start + size <= before - lateness))
            .toSorted((a, b) => a - b);
          for (const start of ending) {
            const inside = own.rows.filter(({ t }) => t >= start && t < start + size);
            expected.push(
              numbersOf(
                row.key,
                inside.toSorted((a, b) => a.t - b.t),
              ),
            );
          }
        }
        const time = { column: "t", size, every, lateness, maxRows: 100 };
        expect(streamed({ key: "key", time, columns: COLUMNS }, requests)).toEqual({
          rows: expected,
          late,
          droppedRows: 0,
          droppedKeys: 0,
        });
      }),
    );
  });

  it("keep so many keys, and let the one go that had no row for longest", () => {
    const rows = (...keys: readonly string[]): readonly Row[] => keys.map((key, t) => ({ key, t, x: 1 }));
    const made = streamed({ key: "key", rows: 2, maxKeys: 2, columns: { count: { how: "count" } } }, [
      rows("a"),
      rows("b"),
      rows("a", "c"),
      rows("b", "a"),
    ]);
    // `a` was used after `b`, so `c` takes the place of `b`; then `b` that of `a`, which begins anew.
    expect(made.rows).toEqual([{ key: "a", count: 2 }]);
    expect(made.droppedKeys).toBe(3);
  });

  it("keep so many rows of a key by time, and count those that leave", () => {
    const rows = Array.from({ length: 5 }, (_, t): Row => ({ key: "a", t, x: t }));
    const time = { column: "t", size: 10, maxRows: 3 };
    const made = streamed({ time, columns: { min: { of: "x", how: "min" }, count: { how: "count" } } }, [
      rows,
      [{ key: "a", t: 10, x: 0 }],
    ]);
    expect(made).toMatchObject({ rows: [{ min: 2, count: 3 }], droppedRows: 2 });
  });

  it("take a number that is missing for none, also after it was kept", () => {
    const requests = [Number.NaN, 4].map((x, t): readonly Row[] => [{ key: "a", t, x }]);
    expect(
      streamed({ rows: 2, columns: { mean: { of: "x", how: "mean" }, count: { how: "count" } } }, requests).rows,
    ).toEqual([{ mean: 4, count: 2 }]);
  });

  it("begin anew after bytes that another program wrote", () => {
    const memory = new StreamMemory(new TextEncoder().encode('{"format":9,"steps":{"stream-aggregate":[]}}'));
    expect(memory.at("stream-aggregate").kept).toBeUndefined();
    expect(new StreamMemory(new Uint8Array([1, 2])).at("x").kept).toBeUndefined();
    memory.at("stream-aggregate").kept = [{ key: 1 }];
    const run = stepOf("stream-aggregate", { rows: 1, columns: COLUMNS }, TYPE);
    expect(columnsOf(run(table([{ key: "a", t: 0, x: 1 }]), memory))["count"]).toEqual([1]);
  });
});

describe("what goes on over a stream", () => {
  it("is the side of a hysteresis", () => {
    const scores = (x: number): Value => ({
      kind: "tensor",
      datatype: "FP32",
      shape: [1, 1],
      data: Float32Array.of(x),
    });
    const type: ValueType = { kind: "tensor", datatype: "FP32", shape: [-1, 1] };
    const params = { rise: 0.8, fall: 0.4, above: "on", below: "off" };
    const labels = (over: string): readonly string[] => {
      const run = stepOf("hysteresis", { ...params, over }, type);
      const memory = new StreamMemory();
      return [0.9, 0.5, 0.3, 0.5].flatMap((x) => {
        const made = run(scores(x), memory);
        return made.kind === "decision" ? made.labels : [];
      });
    };
    expect(labels("stream")).toEqual(["on", "on", "off", "off"]);
    expect(labels("request")).toEqual(["on", "off", "off", "off"]);
  });

  it("is which rows were there, of the last different ones", () => {
    const run = stepOf("dedupe", { by: ["key"], over: "stream", remember: 2 }, TYPE);
    const memory = new StreamMemory();
    const kept = (...keys: readonly string[]): readonly unknown[] | undefined =>
      columnsOf(run(table(keys.map((key) => ({ key, t: 0, x: 0 }))), memory))["key"];
    expect(kept("a", "b", "a")).toEqual(["a", "b"]);
    expect(kept("a")).toEqual([]);
    // `b` was not seen for longest.
    expect(kept("c", "b")).toEqual(["c", "b"]);
    expect(memory.leftOut.droppedKeys).toBe(2);
  });
});

describe("a step over a stream in a document", () => {
  const graph = {
    inputs: [{ name: "x", datatype: "FP32", shape: [-1, 1] }],
    outputs: [{ name: "y", datatype: "FP32", shape: [-1, 1] }],
  };
  const planOf = (step: object) =>
    planPipeline(
      readDocument({
        pipeline: 1,
        inputs: [{ name: "rows" }],
        steps: [
          { "decode-csv": { columns: { key: "text", t: "number", x: "number" }, maxRows: 100 } },
          step,
          { columns: { names: ["n"] } },
          { model: { file: "m.onnx" } },
        ],
      }),
      new Map([["m.onnx", graph]]),
    );
  const columns = { n: { how: "count" } };

  it("makes the pipeline one that keeps state", () => {
    expect(planOf({ "stream-aggregate": { rows: 3, columns } }).keepsState).toBe(true);
    expect(planOf({ aggregate: { rows: 3, step: 1, columns } }).keepsState).toBe(false);
  });

  it.each([
    [
      "a window without a bound",
      { columns },
      "rows: a window needs one bound: `rows`, or `time` with `size` and `maxRows`",
    ],
    [
      "a window by time without a bound of its rows",
      { time: { column: "t", size: 5 }, columns },
      "time.maxRows: Invalid input: expected number, received undefined",
    ],
    ["a gap between windows", { rows: 2, step: 3, columns }, "step: step is at most rows: no row is left out"],
    [
      "windows by time that begin at no multiple",
      { time: { column: "t", size: 5, every: 2, maxRows: 9 }, columns },
      "time: size is every, or 2 to 1000 times every",
    ],
    [
      "more than a stream may keep",
      { key: "key", rows: 8192, maxKeys: 500, columns: { n: { of: "x", how: "max" } } },
      "it may have to keep 110848000 bytes of a stream, which with the steps before it is more than 262144: fewer rows, columns or keys",
    ],
  ])("is refused with %s, by a sentence that names the step", (_what, params, why) => {
    expect(() => planOf({ "stream-aggregate": params })).toThrow(`steps[1].stream-aggregate: ${why}`);
  });

  it("is refused when it would remember rows without a bound", () => {
    expect(() => planOf({ dedupe: { by: ["key"], over: "stream" } })).toThrow(
      "steps[1].dedupe: remember: over a stream it needs a bound",
    );
  });
});
