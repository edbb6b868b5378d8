import { describe, expect, it } from "@jest/globals";
import { decodeRequest, type Signature } from "../../../../shared/inference/request.ts";
import { refusal } from "./refusal.ts";
import { SIGNATURE, bytesOf } from "./request-fixture.ts";

describe("decodeRequest, binary", () => {
  const body = (header: unknown, ...blobs: readonly number[][]): { bytes: Uint8Array; headerLength: number } => {
    const json = bytesOf(header);
    return { bytes: Uint8Array.from([...json, ...blobs.flat()]), headerLength: json.byteLength };
  };
  const binary = (size: number, over: object = {}): object => ({
    name: "x",
    datatype: "FP32",
    shape: [1, 2],
    parameters: { binary_data_size: size },
    ...over,
  });

  it("reads the example of the protocol page byte by byte", () => {
    const header =
      '{"id":"a1","parameters":{"binary_data_output":true},"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}},{"name":"tag","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":6}}]}';
    const { bytes, headerLength } = body(header, [0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0], [2, 0, 0, 0, 0x68, 0x69]);
    expect([headerLength, bytes.byteLength]).toEqual([226, 240]);
    const request = decodeRequest(bytes, headerLength, {
      inputs: [
        { name: "x", datatype: "FP32", shape: [-1, 2] },
        { name: "tag", datatype: "BYTES", shape: [1] },
      ],
      outputs: [{ name: "y", datatype: "FP32", shape: [1] }],
    });
    expect(request.id).toBe("a1");
    expect(request.inputs.map(({ data }) => data)).toEqual([Float32Array.of(1, -2.5), ["hi"]]);
    expect(request.outputs).toEqual([{ name: "y", binary: true }]);
  });

  it("mixes JSON and binary tensors", () => {
    const { bytes, headerLength } = body(
      {
        inputs: [
          { name: "a", datatype: "INT32", shape: [1], data: [7] },
          { name: "b", datatype: "INT16", shape: [1], parameters: { binary_data_size: 2 } },
        ],
      },
      [5, 0],
    );
    const request = decodeRequest(bytes, headerLength, {
      inputs: [
        { name: "a", datatype: "INT32", shape: [1] },
        { name: "b", datatype: "INT16", shape: [1] },
      ],
      outputs: [],
    });
    expect(request.inputs.map(({ data }) => data)).toEqual([Int32Array.of(7), Int16Array.of(5)]);
  });

  it.each<[string, object, number[], RegExp]>([
    [
      "fewer bytes than its shape needs",
      binary(4),
      [0, 0, 0, 0],
      /input "x" has 4 bytes; 2 elements of FP32 are 8 bytes/,
    ],
    ["a size beyond the body", binary(8), [0, 0, 0, 0], /input "x" says 8 bytes, but only 4 are left/],
    ["bytes that no tensor claims", binary(8), [0, 0, 0, 0, 0, 0, 0, 0, 9], /1 bytes more than its tensors/],
    [
      "data beside the size",
      binary(8, { data: [1, 2] }),
      [0, 0, 0, 0, 0, 0, 0, 0],
      /both `data` and `binary_data_size`/,
    ],
    ["a size that is no number", binary(-1), [], /binary_data_size/],
  ])("refuses %s", (_what, entry, blob, text) => {
    const { bytes, headerLength } = body({ inputs: [entry] }, blob);
    const found = refusal(() => decodeRequest(bytes, headerLength, SIGNATURE));
    expect(found.code).toBe("INVALID_REQUEST");
    expect(found.text).toMatch(text);
  });

  it("refuses a header longer than the body", () => {
    expect(refusal(() => decodeRequest(bytesOf("{}"), 99, SIGNATURE)).text).toContain(
      "Inference-Header-Content-Length says 99",
    );
  });

  it.each<[string, number[], RegExp]>([
    ["an element longer than what is left", [9, 0, 0, 0, 1], /element 0 of input "t" is longer/],
    ["bytes that are not UTF-8", [1, 0, 0, 0, 0xff], /element 0 of input "t" is not UTF-8/],
    ["a surrogate", [3, 0, 0, 0, 0xed, 0xa0, 0x80], /element 0 of input "t" is not UTF-8/],
    ["a zero byte", [2, 0, 0, 0, 0x61, 0], /element 0 of input "t" holds the character U\+0000/],
    ["one element too many", [0, 0, 0, 0, 0, 0, 0, 0], /do not hold exactly 1/],
    ["no element", [], /need at least 4/],
  ])("refuses BYTES with %s", (_what, blob, text) => {
    const { bytes, headerLength } = body(
      { inputs: [{ name: "t", datatype: "BYTES", shape: [1], parameters: { binary_data_size: blob.length } }] },
      blob,
    );
    expect(
      refusal(() =>
        decodeRequest(bytes, headerLength, { inputs: [{ name: "t", datatype: "BYTES", shape: [1] }], outputs: [] }),
      ).text,
    ).toMatch(text);
  });

  it("refuses a BOOL byte above 1", () => {
    const { bytes, headerLength } = body(
      { inputs: [{ name: "b", datatype: "BOOL", shape: [1], parameters: { binary_data_size: 1 } }] },
      [2],
    );
    expect(
      refusal(() =>
        decodeRequest(bytes, headerLength, { inputs: [{ name: "b", datatype: "BOOL", shape: [1] }], outputs: [] }),
      ).text,
    ).toContain("0 or 1");
  });
});

describe("decodeRequest, raw bytes", () => {
  const raw = (bytes: Uint8Array, inputs: Signature["inputs"]) =>
    decodeRequest(bytes, 0, { inputs, outputs: [{ name: "y", datatype: "FP32", shape: [1] }] });

  it("derives the one variable dimension", () => {
    const { inputs, outputs } = raw(new Uint8Array(24), [{ name: "x", datatype: "FP32", shape: [-1, 2] }]);
    expect(inputs[0]).toMatchObject({ shape: [3, 2], data: new Float32Array(6) });
    expect(outputs).toEqual([{ name: "y", binary: true }]);
  });

  it("takes a fixed shape as it is", () => {
    expect(raw(new Uint8Array(8), [{ name: "x", datatype: "INT64", shape: [1] }]).inputs[0]).toMatchObject({
      shape: [1],
      data: BigInt64Array.of(0n),
    });
  });

  it("takes the whole body as one element of BYTES", () => {
    expect(raw(bytesOf("hi"), [{ name: "t", datatype: "BYTES", shape: [-1] }]).inputs[0]).toMatchObject({
      shape: [1],
      data: ["hi"],
    });
  });

  it("refuses a body of text with a zero byte", () => {
    expect(refusal(() => raw(bytesOf("h\0i"), [{ name: "t", datatype: "BYTES", shape: [-1] }])).text).toMatch(
      /element 0 of input "t" holds the character U\+0000/,
    );
  });

  it.each<[string, number, Signature["inputs"], RegExp]>([
    ["half an element", 7, [{ name: "x", datatype: "FP32", shape: [-1] }], /7 bytes are no whole number of FP32/],
    [
      "half a row",
      12,
      [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
      /3 elements do not fill the shape \[any, 2\]/,
    ],
    ["the wrong count for a fixed shape", 12, [{ name: "x", datatype: "FP32", shape: [2] }], /do not fill/],
    ["two variable dimensions", 8, [{ name: "x", datatype: "FP32", shape: [-1, -1] }], /2 variable dimensions/],
    [
      "a model of two inputs",
      8,
      [
        { name: "a", datatype: "FP32", shape: [1] },
        { name: "b", datatype: "FP32", shape: [1] },
      ],
      /this one has 2/,
    ],
  ])("refuses %s", (_what, size, inputs, text) => {
    expect(refusal(() => raw(new Uint8Array(size), inputs)).text).toMatch(text);
  });
});
