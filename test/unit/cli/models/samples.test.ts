import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { readSamples } from "../../../../cli/models/samples/read-samples.ts";
import { compareOutput } from "../../../../shared/inference/samples/compare-outputs.ts";
import type { NpyArray } from "../../../../shared/inference/samples/npy.ts";
import { sampleRequests } from "../../../../cli/models/samples/sample-requests.ts";
import type { Tensor } from "../../../../shared/inference/tensors/datatypes.ts";
import { sampleInputs } from "../../../../shared/inference/samples/sample-inputs.ts";
import { sampleRows } from "../../../../shared/inference/samples/sample-rows.ts";
import { readNpz } from "../../../../shared/inference/samples/npz.ts";
import { floats, npy, npz } from "../support/npz.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "skerry-samples-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function read(content: Uint8Array): Promise<ReadonlyMap<string, NpyArray>> {
  const path = join(root, "samples.npz");
  await writeFile(path, content);
  return (await readSamples(path)).arrays;
}

describe("samples in an .npz file", () => {
  it.each([false, true])("are read with their dtypes and shapes; compressed: %s", async (isCompressed) => {
    const letters = Buffer.from(
      Uint32Array.from(Array.from("aé\0b\0\0", (letter) => letter.codePointAt(0) ?? 0)).buffer,
    );
    const content = {
      X: floats([2, 3], [1, 2, 3, 4, 5, 6]),
      label: npy("<i8", [2], new Uint8Array(BigInt64Array.of(7n, -1n).buffer)),
      name: npy("<U3", [2], letters),
      flag: npy("|b1", [2], Uint8Array.of(1, 0)),
    };
    expect(Object.fromEntries(await read(npz(content, { isCompressed })))).toEqual({
      X: { datatype: "FP32", shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
      label: { datatype: "INT64", shape: [2], data: BigInt64Array.of(7n, -1n) },
      name: { datatype: "BYTES", shape: [2], data: ["aé", "b"] },
      flag: { datatype: "BOOL", shape: [2], data: Uint8Array.of(1, 0) },
    });
  });

  it("in the order of Fortran are turned round", async () => {
    const data = new Uint8Array(Float64Array.of(1, 4, 2, 5, 3, 6).buffer);
    const arrays = await read(npz({ X: npy("<f8", [2, 3], data, { isFortran: true }) }));
    expect(arrays.get("X")?.data).toEqual(Float64Array.of(1, 2, 3, 4, 5, 6));
  });

  it("are refused when they hold Python objects, are cut off, have a long header or are no archive", async () => {
    await expect(read(npz({ X: npy("|O", [1], Uint8Array.of(1)) }))).rejects.toThrow(/it holds Python objects/);
    await expect(read(npz({ X: npy("<f4", [3], Uint8Array.of(1)) }))).rejects.toThrow(/it is cut off/);
    const deep = npy(
      "<f4",
      Array.from({ length: 4_000 }, () => 1),
      Uint8Array.of(1, 2, 3, 4),
    );
    await expect(read(npz({ X: deep }))).rejects.toThrow(/its header has more than 10000 bytes/);
    await expect(read(Buffer.from("no archive at all, really"))).rejects.toThrow(/it is no ZIP archive/);
  });

  it("are refused by the name of their array when that has a size or a character that there is not", async () => {
    await expect(read(npz({ X: npy("<f4", [-2], Uint8Array.of()) }))).rejects.toThrow(
      /samples.npz cannot be read as samples: array "X": .*Invalid typed array length: -2/,
    );
    const letters = new Uint8Array(Uint32Array.of(0xffffffff).buffer);
    await expect(read(npz({ X: npy("<U1", [1], letters) }))).rejects.toThrow(
      /array "X": .*Invalid code point 4294967295/,
    );
  });

  it.each([false, true])("are refused when they hold more than they may; compressed: %s", (isCompressed) => {
    const packed = npz(
      {
        X: floats(
          [1_000],
          Array.from({ length: 1_000 }, () => 0),
        ),
      },
      { isCompressed },
    );
    expect(() => readNpz(packed, "samples.npz", { maxBytes: 1_024 })).toThrow(
      "samples.npz cannot be read as samples: its arrays have more than 1024 bytes",
    );
  });
});

describe("requests of samples", () => {
  const outputs = [{ name: "y", datatype: "FP32", shape: [-1] }];
  const array = (rows: number) => ({
    datatype: "FP64" as const,
    shape: [rows, 2],
    data: Float64Array.from({ length: rows * 2 }, (_, i) => i),
  });
  const input = (first: number) => [{ name: "input", datatype: "FP32", shape: [first, 2] }];

  it("have the model's datatype, and all rows where they fit", () => {
    const [[tensor] = [], ...more] = sampleRequests(
      input(-1),
      outputs,
      new Map([
        ["X", array(3)],
        ["y", array(3)],
      ]),
    );
    expect([tensor, more]).toEqual([
      { name: "input", datatype: "FP32", shape: [3, 2], data: Float32Array.of(0, 1, 2, 3, 4, 5) },
      [],
    ]);
  });

  it("have as many rows as a model with a fixed first dimension takes", () => {
    const requests = sampleRequests(input(2), outputs, new Map([["input", array(4)]]));
    expect(requests.map(([tensor]) => tensor?.shape)).toEqual([
      [2, 2],
      [2, 2],
    ]);
    expect(() => sampleRequests(input(3), outputs, new Map([["input", array(4)]]))).toThrow(/takes 3 at a time/);
  });

  it("are refused when they hold no number for whole numbers", () => {
    const array = { datatype: "FP32" as const, shape: [2], data: Float32Array.of(1, Number.NaN) };
    expect(() => sampleInputs([{ name: "n", datatype: "INT64" }], outputs, new Map([["n", array]]))).toThrow(
      'array "n" holds NaN, which INT64 cannot',
    );
  });

  it("are one row each as callers send them, and refused without a row", () => {
    expect(sampleRows(input(-1), outputs, new Map([["input", array(3)]]))).toHaveLength(3);
    expect(() => sampleRows(input(-1), outputs, new Map([["input", array(0)]]))).toThrow("the samples have no rows");
  });

  it("name the input that no array is for", () => {
    expect(() => sampleRequests(input(-1), outputs, new Map([["y", array(3)]]))).toThrow(
      /no array for input "input"; they have y/,
    );
  });
});

describe("the comparison with samples", () => {
  const served = (datatype: "FP32" | "BYTES", data: Tensor["data"]): Tensor => ({
    name: "y",
    datatype,
    shape: [data.length],
    data,
  });
  const expected = (data: readonly number[]) => ({
    datatype: "FP64" as const,
    shape: [data.length],
    data: Float64Array.from(data),
  });

  it("calls roundings equal and says how large they are", () => {
    expect(compareOutput(served("FP32", Float32Array.of(1, NaN)), expected([1, NaN]))).toMatchObject({
      isEqual: true,
      sentence: "y is equal",
    });
    expect(compareOutput(served("FP32", Float32Array.of(100, 0.001)), expected([100, 0.002]))).toMatchObject({
      isEqual: true,
      sentence: "y differs by at most 0.001",
    });
  });

  it("names the element that differs most", () => {
    expect(compareOutput(served("FP32", Float32Array.of(1, 2, 3)), expected([1, 2.5, 3]))).toMatchObject({
      isEqual: false,
      sentence: "y differs by 0.5: element 1 is 2 where the samples have 2.5",
    });
    expect(compareOutput(served("FP32", Float32Array.of(NaN)), expected([1])).isEqual).toBe(false);
    expect(compareOutput(served("FP32", Float32Array.of(1)), expected([1, 2])).sentence).toContain("has the shape [1]");
    expect(
      compareOutput(served("BYTES", ["a", "b"]), { datatype: "BYTES", shape: [2], data: ["a", "c"] }).sentence,
    ).toBe('y is "b" at element 1 where the samples have "c"');
  });
});
