import { describe, expect, it } from "@jest/globals";
import { cascadeView, refuseCascade } from "../../../../../control-plane/app/deployments/cascade-view.ts";
import { explainDeployment } from "../../../../../control-plane/app/deployments/explain-deployment.ts";
import { explainResponse } from "../../../../../shared/api/v1/deployments/explain.ts";
import type { EngineModel } from "../../../../../shared/text/engine-model.ts";
import type { TextModel } from "../../../../../shared/text/text-model.ts";
import {
  aDeployment,
  aFleet,
  aNode,
  aPlacement,
  aVersion,
  NOW,
  TIMINGS,
} from "../../../../support/fleet/fleet-builder.ts";

const TEXT = { architecture: "llama" } as unknown as TextModel;
const ENGINE = { model: "qwen", kind: "text" } as EngineModel;
const [edge, cloud] = [aNode("edge-a"), aNode("cloud-a", { kind: "cloud" })];
const small = aDeployment({
  name: "small",
  model: "small",
  version: 1,
  cascade: { to: "large", when: { doubt: { tokens: 4, meanLogprob: -1 } }, uploadBudget: { bytes: 100, seconds: 1 } },
});
const large = aDeployment({ name: "large", model: "big", version: 1, placement: { cloud: { min: 1 } } });
const versions = ["small", "big"].map((model) => aVersion(model, 1, { text: TEXT }));
const placements = [
  aPlacement(edge, { deployment: "small", model: "small" }),
  aPlacement(cloud, { deployment: "large", model: "big" }),
];
const counted = { requests: 10, escalated: 2, compared: 2, agreed: 1 };
const state = { breaker: "closed", leftBytes: 60, counted } as const;
const context = { now: NOW, timings: TIMINGS, trigger: "test" };

describe("the view of a cascade", () => {
  it("has its rules, where the large model is ready, and what is left of its budget", () => {
    const fleet = aFleet({ nodes: [edge, cloud], versions, deployments: [small, large], placements });
    const answer = explainDeployment(fleet, small, { ...context, node: undefined, cascade: state });
    expect(explainResponse.parse(answer)).toEqual(answer);
    expect(answer.cascade).toEqual({
      to: "large",
      model: "big",
      ready: { edge: 0, cloud: 1 },
      breaker: "closed",
      leftBytes: 60,
      counted,
      sentence:
        "large answers when the mean log-probability of the first 4 tokens is below -1, or when a caller asks for it (`Skerry-Cascade: large`); it is ready on 0 edge and 1 cloud nodes",
    });
  });

  it("says that there is no such deployment", () => {
    const fleet = aFleet({ nodes: [edge], versions, deployments: [small] });
    const { cascade } = small.spec;
    expect(cascade && cascadeView(fleet, cascade, { ...context, state })).toMatchObject({
      model: null,
      ready: { edge: 0, cloud: 0 },
      sentence: expect.stringMatching(/; there is no such deployment$/),
    });
  });
});

describe("a cascade that could do nothing", () => {
  const refuse = (over: object, { spec } = small) =>
    refuseCascade(aFleet({ versions: [aVersion("small", 1, over)] }), spec);
  const ofTensors = (output?: string) =>
    aDeployment({
      name: "small",
      model: "small",
      version: 1,
      cascade: { to: "large", when: { answer: { measure: "margin", threshold: 0.4, ...(output && { output }) } } },
    });

  it("is refused of a model whose answers its rules cannot be about", () => {
    expect(() => refuse({})).toThrow("of small, which writes no text, takes `answer`");
    expect(() => refuse({ text: TEXT })).not.toThrow();
    expect(() => refuse({ text: TEXT }, ofTensors())).toThrow("`cascade.when.answer` is for models of tensors");
    expect(() => refuse({ encoder: {} })).toThrow("write text or answer tensors, and small does neither");
  });

  it("is refused where the scores of its rule are no output of the model", () => {
    const outputs = [{ name: "scores", datatype: "FP32", shape: [-1, 3] }];
    expect(() => refuse({ outputs }, ofTensors())).not.toThrow();
    expect(() => refuse({ outputs }, ofTensors("scores"))).not.toThrow();
    expect(() => refuse({ outputs }, ofTensors("label"))).toThrow("small has scores");
    expect(() => refuse({ outputs: [{ name: "label", datatype: "INT64", shape: [-1] }] }, ofTensors())).toThrow(
      "small has none",
    );
  });

  it("is refused where its rule is about what a pipeline adds to the outputs of its graphs", () => {
    const scores = { name: "probabilities", datatype: "FP32", shape: [-1, 10] };
    const added = [
      { name: "decision", datatype: "BYTES", shape: [-1] },
      { name: "confidence", datatype: "FP32", shape: [-1] },
    ];
    const facts = { stages: ["infer" as const], rule: "argmax", roomMiB: 0, inputs: [] };
    const over = { outputs: [scores, ...added], pipeline: { ...facts, outputs: [scores] } };
    expect(() => refuse(over, ofTensors("confidence"))).toThrow(
      "`cascade.when.answer.output` is confidence, which the pipeline of small adds to what its graphs put out; name an output of floats with rows of its graphs, which are: probabilities",
    );
    expect(() => refuse(over, ofTensors("probabilities"))).not.toThrow();
    expect(() => refuse(over, ofTensors())).not.toThrow();
    const labels = { name: "label", datatype: "INT64", shape: [-1] };
    const unscored = { outputs: [labels, ...added], pipeline: { ...facts, outputs: [labels] } };
    expect(() => refuse(unscored, ofTensors())).toThrow("needs an output of floats with rows; small has none");
  });

  it("is refused where doubt cannot be measured", () => {
    expect(() => refuse({ engine: ENGINE })).toThrow("an engine executes small");
  });

  it("is refused of a deployment to itself", () => {
    expect(() => aDeployment({ name: "a", model: "m", version: 1, cascade: { to: "a" } })).toThrow(
      "must be another deployment",
    );
  });
});
