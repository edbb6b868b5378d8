import { describe, expect, it } from "@jest/globals";
import { influencePixels, influencesOf, strongestOf } from "../../../console/src/core/playground/explanation.ts";

const answer = {
  outputs: [
    { name: "probabilities", datatype: "FP32", shape: [2, 3], data: [0.1, 0.7, 0.2, 1, 0, 0] },
    { name: "explanation", datatype: "FP32", shape: [2, 2], data: [0.5, -1, 0, 0] },
  ],
  parameters: { skerry_explain: "occlusion", skerry_explain_input: "x", skerry_explain_output: "probabilities" },
};

describe("an answer with an explanation", () => {
  it("says of its first row which element is explained, and by what", () => {
    const of = { method: "occlusion", input: "x", output: "probabilities" };
    expect(influencesOf(answer)).toEqual({ ...of, element: 1, value: 0.7, values: [0.5, -1] });
  });

  it("is explained by the element that was asked for, and by our output where the model has one of the same name", () => {
    const own = { name: "skerry.explanation", datatype: "FP32", shape: [2, 2], data: [2, 3, 0, 0] };
    const parameters = { ...answer.parameters, skerry_explain_element: 2 };
    const found = influencesOf({ outputs: [...answer.outputs, own], parameters });
    expect(found).toMatchObject({ element: 2, value: 0.2, values: [2, 3] });
  });

  it("is none without the output or its method", () => {
    expect(influencesOf({ ...answer, parameters: {} })).toBeUndefined();
    expect(influencesOf({ ...answer, outputs: answer.outputs.slice(0, 1) })).toBeUndefined();
  });

  it("shows the elements with influence, the strongest either way first", () => {
    expect(strongestOf([0.5, 0, -1, 0.1], 2)).toEqual([
      { at: 2, influence: -1 },
      { at: 0, influence: 0.5 },
    ]);
  });

  it("is drawn in red and blue over the input in grey", () => {
    const form = { width: 2, height: 2, channels: 1, layout: "chw" } as const;
    const pixels = influencePixels({ values: [0, 1, 0, 0.5], influences: [2, 0, -2, 0] }, form);
    expect([...pixels]).toEqual([255, 0, 0, 255, 110, 110, 110, 255, 0, 0, 255, 255, 55, 55, 55, 255]);
  });

  it("adds up the channels of a pixel in either layout", () => {
    const size = { width: 1, height: 1, channels: 3 } as const;
    const drawn = (layout: "chw" | "hwc") =>
      [...influencePixels({ values: [0, 0, 0], influences: [1, 1, -3] }, { ...size, layout })].slice(0, 3);
    expect([drawn("chw"), drawn("hwc")]).toEqual([
      [0, 0, 255],
      [0, 0, 255],
    ]);
  });
});
