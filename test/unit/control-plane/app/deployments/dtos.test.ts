import { explainResponse } from "../../../../../shared/api/v1/deployments/explain.ts";
import { describe, expect, it } from "@jest/globals";
import { explainDeployment } from "../../../../../control-plane/app/deployments/explain-deployment.ts";
import { nodeView } from "../../../../../control-plane/app/nodes/node-dto.ts";
import { toPlacementDto } from "../../../../../control-plane/app/deployments/placement-dto.ts";
import { ModelStatusQuery } from "../../../../../control-plane/app/inference/model-status-query.ts";
import { versionDiff } from "../../../../../control-plane/app/catalog/version-diff.ts";
import { placement as placementSchema } from "../../../../../shared/api/v1/deployments/placements.ts";
import type { ModelVersion } from "../../../../../shared/api/v1/models.ts";
import { node as nodeSchema } from "../../../../../shared/api/v1/nodes/nodes.ts";
import {
  aDeployment,
  aFleet,
  aNode,
  aPlacement,
  aSilentNode,
  aVersion,
  NOW,
  TIMINGS,
} from "../../../../support/fleet/fleet-builder.ts";

const time = { now: NOW, wallNow: 1_767_225_600_000, timings: TIMINGS };
const [a, b] = [aNode("edge-a"), aNode("edge-b")];
const digits = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } });
const context = { now: NOW, timings: TIMINGS, trigger: "test" };

describe("the view of a node", () => {
  it("carries the age of everything that was observed", () => {
    const silent = aSilentNode("edge-a", 20_000, { load: { ...a.load!, at: NOW - 25_000 } });
    const view = nodeView(silent, [aPlacement(silent, { stateSince: NOW - 90_000 })], time);
    expect(nodeSchema.parse(view)).toEqual(view);
    expect(view).toMatchObject({
      state: "suspect",
      lastSeenAgeMs: 20_000,
      lastSeen: "2025-12-31T23:59:40.000Z",
      load: { ageMs: 25_000 },
    });
    expect(view.placements).toEqual([
      {
        placementId: "p-edge-a",
        deployment: "digits",
        model: "digits",
        version: 1,
        state: "ready",
        stateAgeMs: 90_000,
        host: null,
        variant: null,
      },
    ]);
  });

  it("of one that never connected invents nothing", () => {
    const view = nodeView(aNode("new", { session: undefined, load: undefined, capabilities: undefined }), [], time);
    expect(view).toMatchObject({
      state: "pending",
      lastSeen: null,
      lastSeenAgeMs: null,
      load: null,
      capabilities: null,
      agentVersion: null,
      epoch: 0,
    });
  });
});

describe("the view of a placement", () => {
  it("shows progress, age and why", () => {
    const fleet = aFleet({ nodes: [a], placements: [aPlacement(a)] });
    const placement = aPlacement(a, {
      state: "downloading",
      progress: { done: 5, total: 10 },
      stateSince: NOW - 1_500,
    });
    const view = toPlacementDto(fleet, placement, time);
    expect(placementSchema.parse(view)).toEqual(view);
    expect(view).toMatchObject({
      progress: { done: 5, total: 10 },
      stateAgeMs: 1_500,
      why: "digits:1 → edge-a",
      nodeState: "ready",
      failure: null,
    });
  });

  it("is shown when its node and deployment are gone", () => {
    const view = toPlacementDto(aFleet({}), aPlacement(a, { deployment: undefined }), time);
    expect(view).toMatchObject({ node: "n-edge-a", nodeState: "revoked", deployment: "" });
  });
});

describe("the explanation of a deployment", () => {
  const fleet = aFleet({
    nodes: [a, b],
    versions: [aVersion("digits", 1)],
    deployments: [digits],
    placements: [aPlacement(a)],
  });

  it("gives each placement its record, and one node its reasons", () => {
    const answer = explainDeployment(fleet, digits, { ...context, node: "edge-a" });
    expect(answer.placements).toMatchObject([{ node: "edge-a", state: "ready", decidedAgeMs: 600_000 }]);
    expect(answer.whyNot).toMatchObject({ node: "edge-a", holds: true });
  });

  it("has a verdict on every node only where that is asked for", () => {
    expect(explainDeployment(fleet, digits, context).nodes).toBeNull();
    const { nodes } = explainResponse.parse(explainDeployment(fleet, digits, { ...context, ofAllNodes: true }));
    expect(new Set(nodes?.map(({ node }) => node))).toEqual(new Set([...fleet.nodes.values()].map(({ name }) => name)));
    expect(nodes?.find(({ node }) => node === "edge-a")).toMatchObject({
      holds: true,
      total: null,
      refusal: { code: "one-per-node" },
    });
  });

  it("knows no node that does not exist", () => {
    expect(() => explainDeployment(fleet, digits, { ...context, node: "nobody" })).toThrow("there is no node nobody");
  });
});

describe("what the inference protocol shows", () => {
  const inputs = [{ name: "x", datatype: "FP32", shape: [-1, 4] }];
  const serving = (parts: Parameters<typeof aFleet>[0]) => {
    const fleet = aFleet({ nodes: [a, b], ...parts });
    return new ModelStatusQuery({
      fleet: { snapshot: () => fleet, now: () => NOW, refresh: async () => undefined },
      timings: TIMINGS,
    });
  };
  const versions = [
    aVersion("digits", 1, { inputs }),
    aVersion("digits", 2),
    aVersion("digits", 3, { state: "rejected" }),
  ];

  it("takes the metadata of the version that answers", () => {
    const view = serving({ versions, deployments: [digits], placements: [aPlacement(a)] });
    expect(view.metadata({ model: "digits", version: undefined })).toMatchObject({
      name: "digits",
      versions: ["1", "2"],
      inputs,
      properties: { "skerry.version": "1" },
    });
    expect(view.metadata({ model: "digits", version: "2" }).inputs).toEqual([]);
  });

  it("takes the version that is on its way when none is ready", () => {
    expect(
      serving({ versions, deployments: [digits] }).metadata({ model: "digits", version: undefined }).properties[
        "skerry.version"
      ],
    ).toBe("1");
  });

  it("knows neither a rejected version nor a model without a deployment", () => {
    const view = serving({ versions });
    expect(() => view.metadata({ model: "digits", version: "3" })).toThrow("has no version 3");
    expect(() => view.metadata({ model: "digits", version: undefined })).toThrow("has no deployment");
  });

  it("is ready only where a ready node holds it", () => {
    const silent = aSilentNode("edge-a", 20_000);
    const view = serving({ nodes: [silent], versions, deployments: [digits], placements: [aPlacement(silent)] });
    expect([view.isModelReady({ model: "digits", version: "1" }), view.isEveryDeploymentReady()]).toEqual([
      false,
      false,
    ]);
  });

  it("indexes every version with its state", () => {
    const placements = [aPlacement(a), aPlacement(b, { version: 2, state: "loading" })];
    expect(serving({ versions, deployments: [digits], placements }).index()).toEqual([
      { name: "digits", version: "1", state: "READY", reason: "" },
      { name: "digits", version: "2", state: "LOADING", reason: "1 on the way" },
      { name: "digits", version: "3", state: "UNAVAILABLE", reason: "the version is rejected" },
    ]);
  });
});

describe("the diff of two versions", () => {
  const version = (number: number, over: Partial<ModelVersion> = {}): ModelVersion => ({
    model: "digits",
    version: number,
    state: "ready",
    reason: null,
    damage: null,
    digest: `sha256:${number}`,
    artifact: null,
    bytes: 1,
    format: "onnx",
    runtime: "onnx",
    main: "model.onnx",
    files: [{ path: "model.onnx", bytes: 1, sha256: String(number) }],
    opset: 17,
    rows: null,
    notes: [],
    text: null,
    encoder: null,
    engine: null,
    pipeline: null,
    variants: [],
    irVersion: 8,
    producer: null,
    inputs: [{ name: "x", datatype: "FP32", shape: [1, 4] }],
    outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
    labels: {},
    metrics: {},
    createdAt: "",
    ...over,
  });
  const cases: readonly (readonly [string, Partial<ModelVersion>, boolean, string])[] = [
    ["nothing", {}, true, "digits:1 and digits:2 have the same signature"],
    [
      "a wider input",
      { inputs: [{ name: "x", datatype: "FP32", shape: [-1, 4] }] },
      true,
      "input x FP32[1,4] → FP32[-1,4]: callers of 1 can use 2",
    ],
    [
      "another datatype",
      { inputs: [{ name: "x", datatype: "INT64", shape: [1, 4] }] },
      false,
      "input x FP32[1,4] → INT64[1,4]: callers of 1 break on 2",
    ],
    [
      "one more input",
      { inputs: [...version(1).inputs, { name: "z", datatype: "FP32", shape: [1] }] },
      false,
      "input z added: callers of 1 break on 2",
    ],
    [
      "one more output",
      { outputs: [...version(1).outputs, { name: "z", datatype: "FP32", shape: [1] }] },
      true,
      "output z added: callers of 1 can use 2",
    ],
    [
      "a narrower output",
      { outputs: [{ name: "y", datatype: "FP32", shape: [1, 3] }] },
      true,
      "output y FP32[-1,3] → FP32[1,3]: callers of 1 can use 2",
    ],
    ["a missing output", { outputs: [] }, false, "output y removed: callers of 1 break on 2"],
  ];
  for (const [what, over, compatible, sentence] of cases) {
    it(`says what ${what} means for a caller`, () => {
      expect(versionDiff(version(1), version(2, over))).toMatchObject({ compatible, sentence });
    });
  }
});
