import { describe, expect, it } from "@jest/globals";
import { decodeRequest, type Signature } from "../../../../shared/inference/request.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { refusal } from "./refusal.ts";

const SIGNATURE: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [
    { name: "y", datatype: "FP32", shape: [-1, 2] },
    { name: "z", datatype: "INT64", shape: [1] },
  ],
};

const bytesOf = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));

const decode = (value: unknown, signature = SIGNATURE) => decodeRequest(bytesOf(value), JSON_BODY, signature);

const input = (over: object = {}): object => ({ name: "x", datatype: "FP32", shape: [1, 2], data: [1, 2], ...over });

/** A request with one input of this datatype and a shape of one free dimension. */
const one = (datatype: string, data: unknown, shape: readonly number[] = [1]): unknown =>
  decodeRequest(bytesOf({ inputs: [{ name: "x", datatype, shape, data }] }), JSON_BODY, {
    inputs: [{ name: "x", datatype, shape: shape.map(() => -1) }],
    outputs: [],
  }).inputs[0]?.data;

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

describe("decodeRequest, refusals", () => {
  it.each<[string, unknown, RegExp]>([
    ["a body that is not JSON", "{", /not JSON/],
    ["a body that is a list", [], /the request is an array/],
    ["no inputs", {}, /`inputs` is missing/],
    ["an input of another name", { inputs: [input({ name: "w" })] }, /no input "w"; it has "x"/],
    ["a missing input", { inputs: [] }, /input "x" is missing; the model takes "x"/],
    ["an input given twice", { inputs: [input(), input()] }, /input "x" is given twice/],
    [
      "another datatype",
      { inputs: [input({ datatype: "FP64" })] },
      /input "x" has the datatype FP64; the model takes FP32/,
    ],
    [
      "another shape",
      { inputs: [input({ shape: [1, 3], data: [1, 2, 3] })] },
      /input "x" has the shape \[1, 3\]; the model takes \[any, 2\]/,
    ],
    ["another rank", { inputs: [input({ shape: [2] })] }, /input "x" has the shape \[2\]/],
    [
      "too few elements",
      { inputs: [input({ shape: [2, 2] })] },
      /input "x" has 2 elements; its shape \[2, 2\] asks for 4/,
    ],
    [
      "data nested otherwise",
      { inputs: [input({ shape: [2, 2], data: [[1, 2, 3], [4]] })] },
      /not nested as its shape/,
    ],
    ["no data", { inputs: [{ name: "x", datatype: "FP32", shape: [1, 2] }] }, /input "x" has no data/],
    ["a negative size", { inputs: [input({ shape: [-1, 2] })] }, /whole numbers ≥ 0/],
    ["a fraction as size", { inputs: [input({ shape: [0.5, 2] })] }, /whole numbers ≥ 0/],
    ["nine dimensions", { inputs: [input({ shape: [1, 1, 1, 1, 1, 1, 1, 1, 2] })] }, /9 dimensions; the limit is 8/],
    ["an unknown output", { inputs: [input()], outputs: [{ name: "w" }] }, /no output "w"; it has "y", "z"/],
    [
      "an output asked for twice",
      { inputs: [input()], outputs: [{ name: "y" }, { name: "y" }] },
      /output "y" is asked for twice/,
    ],
    ["an id that is no string", { id: 1, inputs: [input()] }, /`id` is a number/],
    ["a flag that is no flag", { inputs: [input()], parameters: { binary_data_output: 1 } }, /binary_data_output/],
    [
      "an undeclared stage",
      { inputs: [input()], parameters: { skerry_stages: "pre+infer" } },
      /skerry_stages.*declares the stages infer/,
    ],
    ["an undeclared explainer", { inputs: [input()], parameters: { skerry_explain: "occlusion" } }, /skerry_explain/],
    ["a misspelt parameter of ours", { inputs: [input()], parameters: { skerry_stage: "infer" } }, /skerry_stage/],
  ])("refuses %s", (_what, request, text) => {
    const found = refusal(() => decode(request));
    expect(found.code).toBe("INVALID_REQUEST");
    expect(found.text).toMatch(text);
  });

  it("accepts the stage that every model has", () => {
    expect(decode({ inputs: [input()], parameters: { skerry_stages: "infer" } }).inputs).toHaveLength(1);
  });

  it.each<[string, object]>([
    ["sequence_id", { inputs: [input()], parameters: { sequence_id: 1 } }],
    ["shared_memory_region", { inputs: [input({ parameters: { shared_memory_region: "a" } })] }],
    ["classification", { inputs: [input()], outputs: [{ name: "y", parameters: { classification: 3 } }] }],
  ])("answers NOT_SERVED to %s", (name, request) => {
    const found = refusal(() => decode(request));
    expect(found.code).toBe("NOT_SERVED");
    expect(found.text).toContain(name);
  });

  it("refuses a shape whose product wraps around in 64 bits, before it allocates", () => {
    const signature = { inputs: [{ name: "x", datatype: "FP32", shape: [-1, -1] }], outputs: [] };
    const request = { inputs: [{ name: "x", datatype: "FP32", shape: [4_294_967_296, 4_294_967_296], data: [] }] };
    expect(refusal(() => decode(request, signature)).text).toContain("more elements than any body can hold");
  });

  it("refuses a shape that only a lie can fill, before it allocates", () => {
    expect(refusal(() => decode({ inputs: [input({ shape: [500_000_000_000, 2], data: [1, 2] })] })).text).toContain(
      "asks for 1000000000000",
    );
  });

  it("refuses brackets without end as JSON that is nested too deep", () => {
    const text = `{"inputs":[{"datatype":"INT64","x":1111111111111111,"data":${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}}]}`;
    expect(refusal(() => decode(text)).code).toBe("INVALID_REQUEST");
  });

  it("does not repeat the caller's text in its complaint about JSON", () => {
    expect(refusal(() => decode('{"secret": forty-two}')).text).not.toContain("forty");
  });

  it("takes __proto__ for a key like any other", () => {
    expect(
      decode('{"__proto__":{"inputs":[]},"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}').inputs,
    ).toHaveLength(1);
  });
});

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
