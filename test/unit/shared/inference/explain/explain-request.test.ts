import { describe, expect, it } from "@jest/globals";
import { explainersOf } from "../../../../../shared/inference/explain/explainers.ts";
import { decodeRequest, type InferRequest, type Signature } from "../../../../../shared/inference/request.ts";
import { JSON_BODY } from "../../../../../shared/protocol/frames/inference-frame.ts";
import { refusal } from "../refusal.ts";

const tensor = (name: string, datatype: string, shape: readonly number[]) => ({ name, datatype, shape });
const PICTURE: Signature = {
  inputs: [tensor("image", "FP32", [-1, 1, 4, 4])],
  outputs: [tensor("label", "INT64", [-1]), tensor("scores", "FP32", [-1, 3])],
};
const TABLE: Signature = { inputs: [tensor("x", "FP32", [-1, 2])], outputs: [tensor("y", "FP32", [-1, 1])] };

function decode(
  parameters: object,
  { of = TABLE, isExplained = false, outputs = [] as readonly string[] } = {},
): InferRequest {
  const [spec] = of.inputs;
  if (spec === undefined) throw new Error("the signature has no inputs");
  const { name, datatype, shape } = spec;
  const sizes = shape.map((size) => (size === -1 ? 1 : size));
  const data = Array.from({ length: sizes.reduce((product, size) => product * size, 1) }, () => 1);
  const body = {
    parameters,
    inputs: [{ name, datatype, shape: sizes, data }],
    ...(outputs.length > 0 && { outputs: outputs.map((output) => ({ name: output })) }),
  };
  return decodeRequest(Buffer.from(JSON.stringify(body)), JSON_BODY, of, { isExplained });
}

describe("explainers of a version", () => {
  it.each([
    ["a picture", PICTURE, ["occlusion", "integrated-gradients"]],
    ["a table", TABLE, ["shapley", "integrated-gradients", "occlusion"]],
    ["a table of whole numbers", { ...TABLE, inputs: [tensor("x", "INT32", [-1, 2])] }, ["shapley", "occlusion"]],
    ["a text", { ...TABLE, inputs: [tensor("x", "BYTES", [-1, 2])] }, []],
    ["tokens", { ...TABLE, inputs: [tensor("x", "INT64", [-1, -1])] }, []],
    ["a model that answers labels alone", { ...TABLE, outputs: [tensor("label", "INT64", [-1])] }, []],
    ["an exported batch", { ...TABLE, inputs: [tensor("x", "FP32", [8, 2])] }, []],
    ["a model with a scalar beside its rows", { ...TABLE, inputs: [...TABLE.inputs, tensor("k", "FP32", [])] }, []],
  ])("follow from the signature of %s", (_, signature, expected) => {
    expect(explainersOf(signature)).toEqual(expected);
  });
});

describe("a request for an explanation", () => {
  it("names a method in a parameter, and gets the explanation as an output more", () => {
    const { explain, outputs } = decode({ skerry_explain: "occlusion" }, { of: PICTURE });
    expect(explain).toMatchObject({ method: "occlusion", input: "image", output: "scores", name: "explanation" });
    expect(outputs.map(({ name }) => name)).toEqual(["label", "scores", "explanation"]);
  });

  it("needs no parameter when its path asks, and has the default method then", () => {
    expect(decode({}, { isExplained: true }).explain).toMatchObject({
      method: "shapley",
      baseline: [0],
      seed: 0,
      maxEvaluations: 8_192,
    });
    expect(decode({}).explain).toBeUndefined();
  });

  it("gives one baseline for all elements, or one for each", () => {
    const ask = (value: unknown): unknown =>
      decode({ skerry_explain: "shapley", skerry_explain_baseline: value }).explain?.baseline;
    expect([ask(0.5), ask("1, -2")]).toEqual([[0.5], [1, -2]]);
  });

  it("gives its output another name where the graph has one of that name", () => {
    const of = { ...TABLE, outputs: [...TABLE.outputs, tensor("explanation", "FP32", [-1, 1])] };
    expect(decode({}, { of, isExplained: true }).outputs.map(({ name }) => name)).toEqual([
      "y",
      "explanation",
      "skerry.explanation",
    ]);
  });

  it.each<readonly [string, object, Parameters<typeof decode>[1], string]>([
    [
      "a method that is not declared",
      { skerry_explain: "lime" },
      {},
      "it declares shapley, integrated-gradients, occlusion",
    ],
    [
      "a method for other inputs",
      { skerry_explain: "shapley" },
      { of: PICTURE },
      "it declares occlusion, integrated-gradients",
    ],
    ["parameters without a method", { skerry_explain_seed: 1 }, {}, "needs `skerry_explain`"],
    ["a parameter that is none", { skerry_explain: "shapley", skerry_explain_sead: 1 }, {}, "does nothing for shapley"],
    [
      "a parameter of another method",
      { skerry_explain: "occlusion", skerry_explain_seed: 1 },
      {},
      "does nothing for occlusion",
    ],
    [
      "an output of labels",
      { skerry_explain: "occlusion", skerry_explain_output: "label" },
      { of: PICTURE },
      'this version has "scores"',
    ],
    ["an input that is none", { skerry_explain: "shapley", skerry_explain_input: "z" }, {}, 'this version has "x"'],
    ["no evaluations", { skerry_explain: "shapley", skerry_explain_evaluations: 0 }, {}, "a whole number from 1"],
    [
      "a baseline that is no number",
      { skerry_explain: "shapley", skerry_explain_baseline: "1,,2" },
      {},
      "must be a number",
    ],
    ["outputs without it", { skerry_explain: "shapley" }, { outputs: ["y"] }, 'leaves out "explanation"'],
    [
      "raw data of a pipeline whose graphs can be explained",
      { skerry_explain: "shapley" },
      { of: { ...TABLE, explainers: [], explainedStages: "infer" } },
      "send the graphs' inputs with `skerry_stages`: `infer`",
    ],
    [
      "a model without explainers",
      { skerry_explain: "shapley" },
      { of: { ...TABLE, outputs: [tensor("y", "INT64", [-1])] } },
      "declares no explainers",
    ],
  ])("is refused for %s", (_, parameters, options, words) => {
    expect(refusal(() => decode(parameters, options))).toMatchObject({
      code: "INVALID_REQUEST",
      text: expect.stringContaining(words),
    });
  });

  it("is refused for a baseline that its datatype does not have", () => {
    const of = { ...TABLE, inputs: [tensor("x", "UINT8", [-1, 2])] };
    for (const baseline of [0.5, -1, 256])
      expect(
        refusal(() => decode({ skerry_explain: "shapley", skerry_explain_baseline: baseline }, { of })),
      ).toMatchObject({
        code: "INVALID_REQUEST",
      });
  });
});
