import { describe, expect, it } from "@jest/globals";
import { streamRequest } from "../../../../../edge-node/app/streams/stream-request.ts";
import { decodeRequest } from "../../../../../shared/inference/request.ts";
import { refusal } from "../../../shared/inference/refusal.ts";

const input = (datatype: string, shape: readonly number[]) => ({
  inputs: [{ name: "x", datatype, shape: [...shape] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1] }],
});
const text = (words: string): Uint8Array => new TextEncoder().encode(words);

/** What the model's host reads of the request. */
function read(bytes: Uint8Array, isJson: boolean, signature = input("FP32", [-1, 2])) {
  const { body, headerLength } = streamRequest({ bytes, isJson }, signature);
  return decodeRequest(body, headerLength, signature).inputs.map(({ shape, data }) => ({ shape, data: [...data] }));
}

describe("an item of a stream as a request", () => {
  it("is the data of the only input, its variable dimension derived", () => {
    const expected = [{ shape: [2, 2], data: [1, 2, 3, 4] }];
    expect(read(text("[1, 2, 3, 4]"), true)).toEqual(expected);
    expect(read(text("[[1, 2], [3, 4]]"), true)).toEqual(expected);
    expect(read(new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer), false)).toEqual(expected);
  });

  it("is the request itself, when it is a JSON object", () => {
    const request = { inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [5, 6] }] };
    expect(read(text(JSON.stringify(request)), true)).toEqual([{ shape: [1, 2], data: [5, 6] }]);
  });

  it("keeps integers exact beyond 2^53", () => {
    const [tensor] = read(text("[9007199254740993]"), true, input("INT64", [1]));
    expect(tensor?.data).toEqual([9_007_199_254_740_993n]);
  });

  it("is the one element of an input of bytes, JSON or not", () => {
    for (const isJson of [true, false])
      expect(read(text('{"a":1}'), isJson, input("BYTES", [-1]))).toEqual([{ shape: [1], data: ['{"a":1}'] }]);
  });

  it.each([
    ["a count that does not fill the shape", text("[1, 2, 3]"), true, /do not fill the shape/],
    ["bytes of a part of an element", new Uint8Array(7), false, /no whole number of FP32 elements/],
    ["JSON that is none", text("[1, 2"), true, /said to be JSON, and is none/],
    ["JSON that is no text", new Uint8Array([0xff, 0xfe]), true, /no UTF-8 text/],
  ])("refuses %s", (_what, bytes, isJson, words) => {
    expect(refusal(() => read(bytes, isJson))).toMatchObject({
      code: "INVALID_REQUEST",
      text: expect.stringMatching(words),
    });
  });
});
