import { describe, expect, it } from "@jest/globals";
import { modelMetadata } from "../../../../../shared/inference/http/documents.ts";

const tensor = (name: string, datatype: string, shape: number[]) => ({ name, datatype, shape });
const GRAPH = { inputs: [tensor("image", "FP32", [-1, 1, 28, 28])], outputs: [tensor("scores", "FP32", [-1, 10])] };
const facts = { name: "m", version: 1, artifact: null, versions: [1], isExplained: true };

describe("the metadata of a model", () => {
  it("lists the methods by which a graph is explained", () => {
    expect(modelMetadata({ ...facts, ...GRAPH }).properties).toEqual({
      "skerry.version": "1",
      "skerry.explainers": "occlusion,integrated-gradients",
    });
  });

  it("lists those of a pipeline for the stage that has them, which is its graphs alone", () => {
    const pipeline = { stages: ["infer" as const, "pre+infer" as const], rule: "", roomMiB: 0, ...GRAPH };
    const raw = { inputs: [tensor("photo", "BYTES", [-1])], outputs: GRAPH.outputs };
    const { properties } = modelMetadata({ ...facts, ...raw, pipeline });
    expect(properties["skerry.explainers"]).toBeUndefined();
    expect(properties["skerry.infer.explainers"]).toBe("occlusion,integrated-gradients");
    const labels = [tensor("label", "INT64", [-1])];
    const unscored = modelMetadata({ ...facts, ...raw, pipeline: { ...pipeline, outputs: labels } });
    expect(unscored.properties["skerry.infer.explainers"]).toBeUndefined();
  });
});
