import { describe, expect, it } from "@jest/globals";
import { refusal } from "./refusal.ts";
import { decode, input } from "./request-fixture.ts";

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
    [
      "an undeclared explainer",
      { inputs: [input()], parameters: { skerry_explain: "lime" } },
      /skerry_explain.*declares/,
    ],
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
