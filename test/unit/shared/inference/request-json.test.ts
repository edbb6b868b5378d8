import { describe, expect, it } from "@jest/globals";
import { decodeRequest, type Signature } from "../../../../shared/inference/request.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { refusal } from "./refusal.ts";
import { bytesOf, decode, input, one } from "./request-fixture.ts";

describe("decodeRequest, JSON", () => {
  it("reads a flat tensor", () => {
    const { id, inputs, outputs } = decode({ id: "a1", inputs: [input()] });
    expect(id).toBe("a1");
    expect(inputs).toEqual([{ name: "x", datatype: "FP32", shape: [1, 2], data: Float32Array.of(1, 2) }]);
    expect(outputs).toEqual([
      { name: "y", binary: false },
      { name: "z", binary: false },
    ]);
  });

  it("reads a nested tensor in row-major order", () => {
    const { inputs } = decode({
      inputs: [
        input({
          shape: [2, 2],
          data: [
            [1, 2],
            [3, 4],
          ],
        }),
      ],
    });
    expect(inputs[0]?.data).toEqual(Float32Array.of(1, 2, 3, 4));
  });

  it("reads a tensor without elements", () => {
    expect(decode({ inputs: [input({ shape: [0, 2], data: [] })] }).inputs[0]?.data).toEqual(new Float32Array(0));
  });

  it.each([
    ["U+0000", String.raw`"ok", "a\u0000b"`, /element 1 of input "x" holds the character U\+0000/],
    [
      "the first half of a surrogate pair",
      String.raw`"ok", "\ud83d"`,
      /element 1 of input "x" holds half of a surrogate/,
    ],
    ["its second half", String.raw`"\ude00", "ok"`, /element 0 of input "x" holds half of a surrogate pair/],
  ])("refuses a text with %s", (_what, data, words) => {
    const body = bytesOf(`{"inputs": [{"name": "x", "datatype": "BYTES", "shape": [2], "data": [${data}]}]}`);
    const signature: Signature = { inputs: [{ name: "x", datatype: "BYTES", shape: [-1] }], outputs: [] };
    expect(refusal(() => decodeRequest(body, JSON_BODY, signature)).text).toMatch(words);
  });

  it("keeps a whole surrogate pair, and text that holds U+FFFD", () => {
    expect(one("BYTES", ["😀", "\uFFFD"], [2])).toEqual(["😀", "\uFFFD"]);
  });

  it("reads a scalar with and without brackets", () => {
    expect(one("FP32", [5], [])).toEqual(Float32Array.of(5));
    expect(one("FP32", 5, [])).toEqual(Float32Array.of(5));
  });

  it("leaves the id out when none was sent", () => {
    expect(decode({ inputs: [input()] }).id).toBeUndefined();
  });

  it("ignores keys and parameters that it does not know", () => {
    expect(
      decode({ inputs: [input({ extra: 1, parameters: { other: "a" } })], more: [], parameters: { priority: 3 } })
        .inputs,
    ).toHaveLength(1);
  });

  it("gives the inputs in the order of the signature", () => {
    const signature = {
      inputs: [
        { name: "a", datatype: "BOOL", shape: [1] },
        { name: "b", datatype: "BOOL", shape: [1] },
      ],
      outputs: [],
    };
    const flag = (name: string): object => ({ name, datatype: "BOOL", shape: [1], data: [true] });
    expect(decode({ inputs: [flag("b"), flag("a")] }, signature).inputs.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  it("gives only the outputs that were asked for, in that order", () => {
    const outputs = [{ name: "z", parameters: { binary_data: true } }, { name: "y" }];
    expect(decode({ inputs: [input()], outputs }).outputs).toEqual([
      { name: "z", binary: true },
      { name: "y", binary: false },
    ]);
  });

  it("lets an output's own binary_data win over binary_data_output", () => {
    const outputs = [{ name: "z", parameters: { binary_data: false } }, { name: "y" }];
    const request = { inputs: [input()], parameters: { binary_data_output: true }, outputs };
    expect(decode(request).outputs.map(({ binary }) => binary)).toEqual([false, true]);
  });
});

describe("decodeRequest, datatypes in JSON", () => {
  it.each([
    ["BOOL", [true, false, 1, 0], Uint8Array.of(1, 0, 1, 0)],
    ["INT8", [-128, 127], Int8Array.of(-128, 127)],
    ["UINT8", [0, 255], Uint8Array.of(0, 255)],
    ["INT16", [-32_768, 32_767], Int16Array.of(-32_768, 32_767)],
    ["UINT16", [65_535], Uint16Array.of(65_535)],
    ["INT32", [-2_147_483_648], Int32Array.of(-2_147_483_648)],
    ["UINT32", [4_294_967_295], Uint32Array.of(4_294_967_295)],
    ["INT64", [-1, 3], BigInt64Array.of(-1n, 3n)],
    ["UINT64", [0, 3], BigUint64Array.of(0n, 3n)],
    ["FP32", [0.5, -1e30], Float32Array.of(0.5, -1e30)],
    ["FP64", [0.1, 1e300], Float64Array.of(0.1, 1e300)],
    ["BYTES", ["hé", ""], ["hé", ""]],
  ])("reads %s", (datatype, data, expected) => {
    expect(one(datatype, data, [data.length])).toEqual(expected);
  });

  it("keeps every digit of 64-bit integers", () => {
    const signature = { inputs: [{ name: "x", datatype: "INT64", shape: [-1] }], outputs: [] };
    const text =
      '{"inputs":[{"name":"x","datatype":"INT64","shape":[2],"data":[9007199254740993,-9223372036854775808]}]}';
    expect(decode(text, signature).inputs[0]?.data).toEqual(BigInt64Array.of(9_007_199_254_740_993n, -(2n ** 63n)));
  });

  it("keeps them when the datatype is written with an escape", () => {
    const signature = { inputs: [{ name: "x", datatype: "UINT64", shape: [1] }], outputs: [] };
    const text = '{"inputs":[{"name":"x","datatype":"UIN\\u005464","shape":[1],"data":[18446744073709551615]}]}';
    expect(decode(text, signature).inputs[0]?.data).toEqual(BigUint64Array.of(2n ** 64n - 1n));
  });

  it("reads long integers as floats beside a 64-bit tensor", () => {
    const signature = {
      inputs: [
        { name: "i", datatype: "INT64", shape: [1] },
        { name: "f", datatype: "FP64", shape: [1] },
      ],
      outputs: [],
    };
    const text =
      '{"inputs":[{"name":"i","datatype":"INT64","shape":[1],"data":[1]},{"name":"f","datatype":"FP64","shape":[1],"data":[10000000000000000000]}]}';
    expect(decode(text, signature).inputs[1]?.data).toEqual(Float64Array.of(1e19));
  });

  it.each([
    ["INT8", 128],
    ["UINT8", -1],
    ["INT16", 40_000],
    ["UINT16", -1],
    ["INT32", 2 ** 31],
    ["UINT32", 2 ** 32],
    ["UINT64", -1],
    ["FP32", 1e39],
  ])("refuses a number outside the range of %s", (datatype, value) => {
    expect(refusal(() => one(datatype, [value])).text).toContain(
      `element 0 of input "x" is outside the range of ${datatype}`,
    );
  });

  it("refuses 2^63 as INT64", () => {
    const text = '{"inputs":[{"name":"x","datatype":"INT64","shape":[1],"data":[9223372036854775808]}]}';
    const signature = { inputs: [{ name: "x", datatype: "INT64", shape: [1] }], outputs: [] };
    expect(refusal(() => decode(text, signature)).text).toContain("outside the range of INT64");
  });

  it.each([
    ["BOOL", 2],
    ["INT32", true],
    ["FP32", "1"],
    ["FP32", null],
    ["INT64", "1"],
    ["BYTES", 1],
    ["FP32", [1]],
  ])("refuses the wrong kind of element for %s without quoting it", (datatype, value) => {
    const { code, text } = refusal(() => one(datatype, [0, value].slice(1)));
    expect(code).toBe("INVALID_REQUEST");
    expect(text).toMatch(/input "x"/);
  });

  it("refuses fractions in integers", () => {
    expect(refusal(() => one("INT32", [1.5])).text).toContain("not a whole number");
    expect(refusal(() => one("INT64", [1.5])).text).toContain("not a whole number");
  });

  it("refuses FP16 in JSON and names the way out", () => {
    expect(refusal(() => one("FP16", [1])).text).toMatch(/FP16 has no JSON form; send it as a binary tensor/);
  });
});
