import { describe, expect, it } from "@jest/globals";
import { bytes, columnsOf, tableOf, valueOf } from "./run-step.ts";

const NAN = Number.NaN;
const COLUMNS = { t: "number", place: "text" };

describe("a table out of CSV", () => {
  const read = (text: string, more: object = {}) =>
    columnsOf(valueOf("decode-csv", { columns: COLUMNS, ...more }, bytes(text)));

  it("has the named columns, whatever their order, quotes and line breaks", () => {
    expect(read('place,x,t\r\n"a, ""b""\nc",9,1.5\r\nd,9,-2e3\r\n')).toEqual({
      t: [1.5, -2000],
      place: ['a, "b"\nc', "d"],
    });
  });

  it("has NaN for a number that is missing", () => {
    expect(read("t,place\n,a\nNA,b\n 3 ,c\n")).toEqual({ t: [NAN, NAN, 3], place: ["a", "b", "c"] });
  });

  it("has rows of several elements one behind the other, and columns by place without a header", () => {
    const value = valueOf("decode-csv", { columns: COLUMNS, header: false, delimiter: ";" }, bytes("1;a", "2;b"));
    expect(columnsOf(value)).toEqual({ t: [1, 2], place: ["a", "b"] });
  });

  it.each([
    ["t,place\n1,a\nx,b", "row 1, column t: it is no number"],
    ["t,place\n0x10,b", "row 0, column t: it is no number"],
    ["t,place\n1,a,3", "element 0 is not CSV in UTF-8, or its lines have different numbers of cells"],
    ["t\n1", "element 0 has no column place"],
  ])("refuses %j", (text, why) => {
    expect(() => read(text)).toThrow(why);
  });

  it("refuses more rows and bytes than it may have", () => {
    expect(() => read("t,place\n1,a\n2,b", { maxRows: 1 })).toThrow("there are 2 rows; maxRows is 1");
    expect(() => read("t,place\n1,a\n2,b", { maxBytes: 8 })).toThrow("element 0 has 15 bytes; maxBytes is 8");
  });
});

describe("a table out of JSON", () => {
  const params = {
    rows: "data.readings",
    columns: { t: { path: "value.celsius" }, place: { path: "tags[0]", type: "text" } },
  };
  const read = (document: unknown, given: object = params) =>
    columnsOf(valueOf("decode-json", given, bytes(JSON.stringify(document))));

  it("has each column by its path, and what is missing as NaN or the empty text", () => {
    const readings = [{ value: { celsius: 20.5 }, tags: ["hall"] }, { value: { celsius: null } }, {}];
    expect(read({ data: { readings } })).toEqual({ t: [20.5, NAN, NAN], place: ["hall", "", ""] });
  });

  it("has one row of one object", () => {
    expect(read({ t: 4 }, { columns: { t: { path: "t" } } })).toEqual({ t: [4] });
  });

  it("refuses another type, a document without rows, and what is no JSON", () => {
    expect(() => read({ data: { readings: [{ value: { celsius: "20" } }] } })).toThrow(
      "row 0, column t: it is no number",
    );
    expect(() => read({})).toThrow("element 0 has nothing at data.readings");
    expect(() => valueOf("decode-json", params, bytes("{"))).toThrow("element 0 is not JSON in UTF-8");
  });

  it("refuses few bytes that would become too many numbers, as each column has one for each row", () => {
    const columns = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`c${at}`, { path: `c${at}` }]));
    const rows = Array.from({ length: 20_000 }, () => ({}));
    expect(() => read(rows, { columns, maxRows: 20_000 })).toThrow(
      "it would make 20000000 numbers; 16777216 are the most for a request",
    );
  });

  it("finds nothing on a prototype", () => {
    expect(read({ a: 1 }, { columns: { t: { path: "constructor" } } })).toEqual({ t: [NAN] });
  });
});

describe("cleaning", () => {
  const readings = tableOf({ t: [1, NAN, 3, 100], key: ["a", "a", "b", "b"] });

  it("fills missing numbers with stored ones, or with those of the row before, or drops their rows", () => {
    expect(columnsOf(valueOf("missing", { how: "fill", values: { t: 2.5 } }, readings))["t"]).toEqual([1, 2.5, 3, 100]);
    expect(columnsOf(valueOf("missing", { how: "previous" }, readings))["t"]).toEqual([1, 1, 3, 100]);
    expect(columnsOf(valueOf("missing", { how: "drop" }, readings))).toEqual({ t: [1, 3, 100], key: ["a", "b", "b"] });
    expect(() => valueOf("missing", { how: "refuse" }, readings)).toThrow("row 1, column t: the number is missing");
  });

  it("keeps numbers between bounds", () => {
    expect(columnsOf(valueOf("clamp", { columns: { t: { min: 2, max: 50 } } }, readings))["t"]).toEqual([
      2,
      NAN,
      3,
      50,
    ]);
  });

  it("keeps the first or the last of equal rows", () => {
    expect(columnsOf(valueOf("dedupe", { by: ["key"] }, readings))["t"]).toEqual([1, 3]);
    expect(columnsOf(valueOf("dedupe", { by: ["key"], keep: "last" }, readings))["t"]).toEqual([NAN, 100]);
  });

  it("clamps, drops, marks as missing or refuses numbers outside stored moments or quartiles", () => {
    const columns = { t: { mean: 2, std: 1, deviations: 3 } };
    expect(columnsOf(valueOf("outliers", { columns, how: "clamp" }, readings))["t"]).toEqual([1, NAN, 3, 5]);
    expect(columnsOf(valueOf("outliers", { columns, how: "missing" }, readings))["t"]).toEqual([1, NAN, 3, NAN]);
    expect(columnsOf(valueOf("outliers", { columns, how: "drop" }, readings))["t"]).toEqual([1, NAN, 3]);
    const quartiles = { t: { q1: 1, q3: 3 } };
    expect(() => valueOf("outliers", { columns: quartiles, how: "refuse" }, readings)).toThrow("row 3, column t");
  });
});

describe("transforming a table", () => {
  const people = tableOf({ age: [20, 40], city: ["oslo", "rome"] });

  it("standardises by stored mean and scale", () => {
    const columns = { age: { mean: 30, scale: 4 } };
    expect(columnsOf(valueOf("standardise", { columns }, people))["age"]).toEqual([-2.5, 2.5]);
  });

  it("makes a column of each category, and a number of each word", () => {
    const hot = valueOf("one-hot", { column: "city", categories: ["oslo", "rome"] }, people);
    expect(columnsOf(hot)).toEqual({ age: [20, 40], "city=oslo": [1, 0], "city=rome": [0, 1] });
    expect(columnsOf(valueOf("vocabulary", { column: "city", words: ["rome", "oslo"] }, people))["city"]).toEqual([
      1, 0,
    ]);
  });

  it("refuses a text that training did not see, unless `unknown` says otherwise", () => {
    const params = { column: "city", categories: ["oslo"] };
    expect(() => valueOf("one-hot", params, people)).toThrow("row 1, column city");
    expect(columnsOf(valueOf("one-hot", { ...params, unknown: "ignore" }, people))["city=oslo"]).toEqual([1, 0]);
    expect(() => valueOf("vocabulary", { column: "city", words: ["oslo"] }, people)).toThrow("row 1, column city");
    expect(columnsOf(valueOf("vocabulary", { column: "city", words: ["oslo"], unknown: -1 }, people))["city"]).toEqual([
      0, -1,
    ]);
  });

  it("puts columns side by side into a tensor of their type", () => {
    const table = tableOf({ a: [1, 2], b: [3, 4] });
    const made = (datatype: string) => valueOf("columns", { names: ["b", "a"], datatype }, table);
    expect(made("FP32")).toMatchObject({ shape: [2, 2], data: Float32Array.of(3, 1, 4, 2) });
    expect(made("INT64")).toMatchObject({ data: BigInt64Array.of(3n, 1n, 4n, 2n) });
    expect(valueOf("columns", { names: ["city"], datatype: "BYTES" }, people)).toMatchObject({
      shape: [2, 1],
      data: ["oslo", "rome"],
    });
    expect(() => valueOf("columns", { names: ["a"], datatype: "INT64" }, tableOf({ a: [0.5] }))).toThrow(
      "no whole number",
    );
  });

  it("cuts rows into windows that may overlap, and leaves out what fills none", () => {
    const table = tableOf({ a: [1, 2, 3, 4, 5] });
    expect(valueOf("window", { rows: 3, step: 1, columns: ["a"] }, table)).toMatchObject({
      shape: [3, 3, 1],
      data: Float32Array.of(1, 2, 3, 2, 3, 4, 3, 4, 5),
    });
    expect(valueOf("window", { rows: 2, step: 2, columns: ["a"] }, table)).toMatchObject({ shape: [2, 2, 1] });
    expect(() => valueOf("window", { rows: 6, step: 1, columns: ["a"] }, table)).toThrow("there are 5 rows");
  });
});

describe("deciding", () => {
  const scores = { kind: "tensor", datatype: "FP32", shape: [2, 3], data: Float32Array.of(0, 2, 1, 3, 0, 3) } as const;

  it("takes the class with the largest score, of equal ones the first", () => {
    expect(valueOf("argmax", { labels: ["a", "b", "c"] }, scores)).toMatchObject({
      labels: ["b", "a"],
      confidence: Float32Array.of(2, 3),
    });
  });

  it("makes probabilities of scores by its activation", () => {
    const { confidence } = valueOf("argmax", { activation: "softmax" }, scores) as { confidence: Float32Array };
    expect(confidence[0]).toBeCloseTo(Math.exp(2) / (1 + Math.exp(2) + Math.exp(1)), 6);
  });

  it("takes the classes that the model says", () => {
    const type = { kind: "tensor", datatype: "FP32", shape: [-1, 3], classes: ["x", "y", "z"] } as const;
    expect(valueOf("argmax", {}, scores, type)).toMatchObject({ labels: ["y", "x"] });
  });

  it("compares one score with a threshold", () => {
    const params = { at: 0.5, above: "yes", below: "no", column: 1, activation: "sigmoid" };
    const low = { ...scores, data: Float32Array.of(0, 2, 1, 3, -2, 3) };
    expect(valueOf("threshold", params, low)).toMatchObject({ labels: ["yes", "no"] });
  });

  it("lists the best classes", () => {
    expect(valueOf("top-k", { k: 2 }, scores)).toMatchObject({ labels: ['["1","2"]', '["0","2"]'] });
  });
});
