import { describe, expect, it } from "@jest/globals";
import type { FleetNode } from "../../../../../../control-plane/core/fleet/types.ts";
import { planDeployment } from "../../../../../../control-plane/core/scheduling/planning/plan-among.ts";
import { DEFAULT_PROFILE } from "../../../../../../control-plane/core/scheduling/profile.ts";
import { whyNot } from "../../../../../../control-plane/core/scheduling/explaining/why-not.ts";
import type { PlanContext } from "../../../../../../control-plane/core/scheduling/context.ts";
import { scoreWeights } from "../../../../../../shared/api/v1/deployments/deployment-spec.ts";
import { explainRecord } from "../../../../../../shared/api/v1/deployments/explain.ts";
import {
  aDeployment,
  aFleet,
  aFleetSession,
  aNode,
  aPlacement,
  aSilentNode,
  aVersion,
  NOW,
  TIMINGS,
} from "../../../../../support/fleet/fleet-builder.ts";

const context: PlanContext = { now: NOW, timings: TIMINGS, trigger: "test" };
const versions = [aVersion("digits", 1)];
const deployment = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } });

const withRtt = (name: string, rttMs: number): FleetNode => {
  const node = aNode(name, { zone: "z" });
  return { ...node, load: node.load && { ...node.load, rttMs } };
};

const whyNotThere = (node: FleetNode, spec = deployment, version = versions) =>
  whyNot(aFleet({ nodes: [node], deployments: [spec], versions: version }), spec, node.name, context);

describe("the default profile", () => {
  it("has weights that sum to 1", () => {
    expect(DEFAULT_PROFILE.scores.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 10);
  });

  it("names each filter and each score once", () => {
    const names = [
      ...DEFAULT_PROFILE.filters.map(({ code }) => code),
      ...DEFAULT_PROFILE.scores.map(({ score }) => score.name),
    ];
    expect(new Set(names).size).toBe(names.length);
  });
});

describe("a node on which requests fail", () => {
  const erring = (name: string, errors: number): FleetNode => {
    const node = aNode(name, { zone: "z" });
    const counted = { model: "faces", version: 1, requests: 90, errors, at: NOW, erredAt: NOW };
    return { ...node, load: node.load && { ...node.load, errors: [counted] } };
  };
  const chosenAt = (nodes: readonly FleetNode[], now: number) =>
    planDeployment(aFleet({ nodes, deployments: [deployment], versions }), deployment, { ...context, now }).records[0];

  it("is passed over for a new replica of any model, with why, until the errors are long past", () => {
    const names = ["edge-a", "edge-b"];
    const calm =
      chosenAt(
        names.map((name) => erring(name, 0)),
        NOW,
      )?.chosen[0] ?? "";
    const nodes = names.map((name) => erring(name, name === calm ? 45 : 0));
    const record = chosenAt(nodes, NOW);
    expect(record?.chosen).toEqual(names.filter((name) => name !== calm));
    expect(record?.sentence).toContain("ahead by reliability (0 failed against 0 failed, 45 % of requests fail here)");
    expect(
      whyNotThere(nodes.find(({ name }) => name === calm) ?? erring(calm, 0))?.ranked?.scores["reliability"],
    ).toMatchObject({
      score: 100,
    });
    const later = nodes.map((node) => ({
      ...node,
      session: aFleetSession({ lastSeen: NOW + 7_200_000, ownerSeen: NOW + 7_200_000 }),
    }));
    expect(chosenAt(later, NOW + 7_200_000)?.chosen).toEqual([calm]);
  });
});

describe("weights of a deployment", () => {
  const weighed = (weights: object) =>
    aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 }, weights } });

  it("decide between the same nodes", () => {
    const cheap = { ...withRtt("edge-a", 200), labels: { "skerry.dev/cost": "0" } };
    const near = { ...withRtt("edge-b", 1), labels: { "skerry.dev/cost": "1" } };
    const chosenBy = (weights: object): readonly string[] => {
      const spec = weighed(weights);
      const fleet = aFleet({ nodes: [cheap, near], deployments: [spec], versions });
      return planDeployment(fleet, spec, context).create.map(({ node }) => node);
    };
    expect(chosenBy({ latency: 1, cost: 0 })).toEqual(["edge-b"]);
    expect(chosenBy({ latency: 0, cost: 1 })).toEqual(["edge-a"]);
  });

  it("are scaled to a sum of 1, and the record shows them", () => {
    const spec = weighed({ latency: 1 });
    const [record] = planDeployment(
      aFleet({ nodes: [aNode("edge-a")], deployments: [spec], versions }),
      spec,
      context,
    ).records;
    const weights = Object.values(record?.top[0]?.scores ?? {}).map(({ weight }) => weight);
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 10);
    expect(record?.top[0]?.scores["latency"]?.weight).toBeCloseTo(1 / 1.75, 10);
    expect(record?.profile).toBe("default-1 with weights of the deployment");
  });

  it("have the names and the defaults of the scores", () => {
    const described = Object.entries(scoreWeights.shape).map(([name, field]) => `${name} ${field.description ?? ""}`);
    expect(described).toHaveLength(DEFAULT_PROFILE.scores.length);
    for (const [at, { score, weight }] of DEFAULT_PROFILE.scores.entries()) {
      expect(described[at]).toMatch(new RegExp(`^${score.name} .*Default: ${weight}\\.$`));
    }
  });

  it("are refused when all are 0", () => {
    const zero = Object.fromEntries(DEFAULT_PROFILE.scores.map(({ score }) => [score.name, 0]));
    expect(scoreWeights.safeParse(zero).success).toBe(false);
    expect(scoreWeights.safeParse({ ...zero, cost: 0.1 }).success).toBe(true);
    expect(scoreWeights.safeParse({ speed: 1 }).success).toBe(false);
  });
});

describe("an explain record", () => {
  it("says who won, by how much and by what", () => {
    const fleet = aFleet({
      nodes: [withRtt("edge-a", 2), withRtt("edge-b", 120)],
      deployments: [deployment],
      versions,
    });
    const [record] = planDeployment(fleet, deployment, context).records;
    expect(record?.chosen).toEqual(["edge-a"]);
    expect(record?.sentence).toMatch(
      /^digits:1 → edge-a \([\d.]+; next edge-b, [\d.]+; 2 of 2 edge nodes fit\): ahead by latency \(2\.0 ms against 120\.0 ms\)$/,
    );
    expect(explainRecord.safeParse(record).error).toBeUndefined();
  });

  it("names every refused node with its reason when none fits", () => {
    const nodes = [aNode("edge-a", { cordoned: true }), aSilentNode("edge-b", 20_000)];
    const fleet = aFleet({ nodes, deployments: [deployment], versions });
    const plan = planDeployment(fleet, deployment, context);
    expect(plan.shortfall).toEqual([
      "digits:1: 0 of 2 edge nodes fit: 1 node-schedulable (edge-a is cordoned), 1 node-connected (edge-b is suspect)",
    ]);
    expect(plan.records[0]?.sentence).toContain("edge-b is suspect (heard 20 s ago)");
    expect(plan.records[0]?.rejections.map(({ node, verdict }) => [node, verdict])).toEqual([
      ["edge-a", "not now"],
      ["edge-b", "not now"],
    ]);
  });

  it("says how to join a node when there is none of the kind", () => {
    const plan = planDeployment(aFleet({ nodes: [], deployments: [deployment], versions }), deployment, context);
    expect(plan.shortfall[0]).toContain("skerry token create --kind edge --print-join");
  });

  it("prefers a free zone to a better total", () => {
    const nodes = [withRtt("edge-a", 1), withRtt("edge-b", 1), { ...withRtt("edge-c", 200), zone: "far" }];
    const spec = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 2 } } });
    const plan = planDeployment(aFleet({ nodes, deployments: [spec], versions }), spec, context);
    expect(plan.create.map(({ node }) => node)).toContain("edge-c");
  });

  it("says when a free zone, and no score, put a node ahead", () => {
    const nodes = [withRtt("edge-a", 1), withRtt("edge-b", 1), { ...withRtt("edge-c", 200), zone: "far" }];
    const placement = { edge: { min: 2 }, weights: { spread: 0 } };
    const spec = aDeployment({ name: "digits", model: "digits", version: 1, placement });
    const records = planDeployment(aFleet({ nodes, deployments: [spec], versions }), spec, context).records;
    expect(records.at(-1)?.sentence).toMatch(
      /^digits:1 → edge-c \([\d.]+; 1 of 3 edge nodes fits\); all other replicas are in zone z$/,
    );
  });

  it("is the same for the same fleet, and breaks ties by hash", () => {
    const fleet = aFleet({ nodes: [withRtt("edge-a", 1), withRtt("edge-b", 1)], deployments: [deployment], versions });
    const [first] = planDeployment(fleet, deployment, context).records;
    expect(planDeployment(fleet, deployment, context).records[0]).toEqual(first);
    expect(first?.tieBreak).toBe("rendezvous hash of version and node");
  });

  it("says that an alias does not exist, or that a version is not ready", () => {
    const byAlias = aDeployment({ name: "digits", model: "digits", version: "champion" });
    expect(planDeployment(aFleet({ versions }), byAlias, context).shortfall).toEqual([
      "digits:champion does not exist; see `skerry models get digits`",
    ]);
    const checking = [aVersion("digits", 1, { state: "checking" })];
    expect(planDeployment(aFleet({ versions: checking }), deployment, context).shortfall).toEqual([
      "digits:1 is checking, so it cannot be placed",
    ]);
  });
});

describe("the update of a slow model", () => {
  it("does not prefer nodes on which the model never ran, as if it took no time there", () => {
    const nodes = ["edge-a", "edge-b"].map((name) => withRtt(name, 1));
    const update = aDeployment({ name: "digits", model: "digits", version: 2, placement: { edge: { min: 1 } } });
    const fleet = aFleet({
      nodes,
      deployments: [update],
      versions: [...versions, aVersion("digits", 2)],
      placements: nodes.slice(0, 1).map((node) => aPlacement(node, { state: "ready", warmUs: 200_000 })),
    });
    const [record] = planDeployment(fleet, update, context).records;
    expect(record?.top.map(({ scores }) => scores["latency"]?.raw)).toEqual(["201.0 ms", "201.0 ms"]);
  });
});

describe("why not there", () => {
  const where = (placement: object) =>
    aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 }, ...placement } });
  const cloud = aNode("cloud-a", { kind: "cloud" });
  const small = aNode("edge-a");
  const capabilities = small.capabilities;
  if (!capabilities) throw new Error("a built node has capabilities");

  it.each([
    ["residency", cloud, where({ residency: "edge-only" }), "digits is edge-only; cloud-a is a cloud node"],
    [
      "where-matches",
      aNode("edge-a"),
      where({ where: { matchLabels: { gpu: "true" } } }),
      "needs gpu=true; edge-a does not match",
    ],
    [
      "where-matches",
      aNode("edge-a"),
      where({ where: { matchExpressions: [{ key: "site", operator: "NotIn", values: ["harbour"] }] } }),
      "needs site not in (harbour); edge-a does not match",
    ],
    [
      "node-connected",
      aNode("edge-a", { session: undefined, load: undefined }),
      deployment,
      "edge-a has not connected yet",
    ],
    ["node-schedulable", aNode("edge-a", { draining: true }), deployment, "edge-a is draining"],
    [
      "node-large-enough",
      aNode("edge-a", { capabilities: { ...capabilities, memMiB: 200 } }),
      deployment,
      "needs 320 MiB of memory; edge-a has 180 for models in all",
    ],
    [
      "runtime-supported",
      aNode("edge-a", { capabilities: { ...capabilities, maxOpset: 15 } }),
      deployment,
      "needs opset 17; edge-a supports up to 15",
    ],
  ])("%s says so with the figures", (code, node, spec, sentence) => {
    const answer = whyNotThere(node, spec);
    expect(answer?.sentence).toBe(sentence);
    expect(answer?.rejections[0]?.code).toBe(code);
  });

  it("refuses a node without room, naming what is free", () => {
    const node = aNode("edge-a", { capabilities: { ...capabilities, memMiB: 600 } });
    const others = aDeployment({ name: "other", model: "digits", version: 1, placement: { edge: { min: 1 } } });
    const fleet = aFleet({
      nodes: [node],
      deployments: [deployment, others],
      versions,
      placements: [aPlacement(node, { deployment: "other" })],
    });
    expect(whyNot(fleet, deployment, "edge-a", context)?.rejections.map(({ code }) => code)).toEqual(["fits-memory"]);
  });

  it("says when the node would fit and who is ahead", () => {
    const fleet = aFleet({
      nodes: [withRtt("edge-a", 1), withRtt("edge-b", 100)],
      deployments: [deployment],
      versions,
      placements: [aPlacement(aNode("edge-a"))],
    });
    expect(whyNot(fleet, deployment, "edge-a", context)?.sentence).toBe("edge-a holds it already");
    expect(whyNot(fleet, deployment, "edge-b", context)?.sentence).toMatch(/^edge-b fits/);
    expect(whyNot(fleet, deployment, "nobody", context)).toBeNull();
  });
});
