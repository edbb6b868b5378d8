import { describe, expect, it } from "@jest/globals";
import type { z } from "zod";
import { answerPlan } from "../../../../../control-plane/app/deployments/plan-question.ts";
import type { Fleet } from "../../../../../control-plane/core/fleet/types.ts";
import type { PlacementId } from "../../../../../shared/base/ids.ts";
import { planRequest, planResponse, type PlanResponse } from "../../../../../shared/api/v1/deployments/plan.ts";
import {
  aDeployment,
  aFleet,
  aNode,
  aPlacement,
  aVersion,
  NOW,
  TIMINGS,
} from "../../../../support/fleet/fleet-builder.ts";

const context = { now: NOW, timings: TIMINGS, trigger: "what-if", elapsedMs: () => 0, pause: async () => undefined };
const [a, b] = [aNode("edge-a"), aNode("edge-b")];
const digits = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } });
const fleet = aFleet({
  nodes: [a, b],
  versions: [aVersion("digits", 1), aVersion("digits", 2)],
  deployments: [digits],
  placements: [aPlacement(a)],
});
const ask = (question: z.input<typeof planRequest>, of: Fleet = fleet): Promise<PlanResponse> =>
  answerPlan(of, planRequest.parse(question), context);
const spec = (min: number, version: number | string = 1, name = "digits") =>
  ({ name, model: "digits", version, placement: { edge: { min } } }) as const;
const stepsOf = ({ steps }: PlanResponse): readonly string[] =>
  steps.map(({ round, action, model, version, node }) => `${round} ${action} ${model}:${version} ${node}`);

describe("the answer to what if", () => {
  it("is nothing when nothing is changed, or what is declared already is declared", async () => {
    for (const question of [{}, { deployments: { apply: [spec(1)] } }]) {
      const answer = await ask(question);
      expect(answer).toMatchObject({ changes: false, settled: true, rounds: 0, steps: [] });
      expect(answer.deployments).toMatchObject([
        {
          deployment: "digits",
          spec: "none",
          after: { edge: { wanted: 1, ready: 1 } },
          nodes: ["edge-a"],
          unplaced: [],
        },
      ]);
    }
  });

  it("is the answer of the schema, and names the node that gets one more replica, and why", async () => {
    const answer = await ask({ deployments: { apply: [spec(2)] } });
    expect(planResponse.parse(answer)).toEqual(answer);
    expect(answer).toMatchObject({ changes: true, settled: true, rounds: 1 });
    expect(stepsOf(answer)).toEqual(["1 place digits:1 edge-b"]);
    expect(answer.steps[0]?.why).toContain("edge-b");
    expect(answer.deployments).toMatchObject([{ spec: "update", nodes: ["edge-a", "edge-b"] }]);
  });

  it("goes on until nothing is left to do: the new version comes, then the old one leaves", async () => {
    const answer = await ask({ deployments: { apply: [spec(2, 2)] } });
    expect(stepsOf(answer).toSorted()).toEqual([
      "1 place digits:2 edge-a",
      "1 place digits:2 edge-b",
      "2 remove digits:1 edge-a",
    ]);
    expect(answer.deployments[0]).toMatchObject({
      targetVersion: 2,
      after: { edge: { wanted: 2, placed: 2, ready: 2 } },
    });
  });

  it("counts the rounds before the first step, and none for what is only cleared away", async () => {
    const coming = aPlacement(a, { id: "p-2" as PlacementId, version: 2, state: "loading", progressSince: NOW });
    const rolling = { ...digits, spec: { ...digits.spec, version: 2 } };
    const versions = fleet.versions.values().toArray();
    const under = aFleet({ nodes: [a], versions, deployments: [rolling], placements: [aPlacement(a), coming] });
    const answer = await ask({}, under);
    expect([stepsOf(answer), answer.rounds]).toEqual([["2 remove digits:1 edge-a"], 2]);
    const gone = aPlacement(b, { wanted: "gone", state: "gone" });
    const clearing = aFleet({ nodes: [a, b], versions, deployments: [digits], placements: [aPlacement(a), gone] });
    expect(await ask({}, clearing)).toMatchObject({ changes: false, rounds: 0, settled: true, steps: [] });
  });

  it("says what an older version waits for where two do not fit, in the order in which it happens", async () => {
    const small = aNode("edge-a", { capabilities: a.capabilities && { ...a.capabilities, memMiB: 600 } });
    const one = aFleet({
      nodes: [small],
      versions: fleet.versions.values().toArray(),
      deployments: [digits],
      placements: [aPlacement(small)],
    });
    const answer = await ask({ deployments: { apply: [spec(1, 2)] } }, one);
    expect(stepsOf(answer)).toEqual(["1 place digits:2 edge-a", "2 remove digits:1 edge-a"]);
    expect(answer.deployments[0]).toMatchObject({ after: { edge: { ready: 1 } }, nodes: ["edge-a"] });
  });

  it("ends after the round in which its time is over, and says so", async () => {
    const question = planRequest.parse({ deployments: { apply: [spec(2, 2)] } });
    const answer = await answerPlan(fleet, question, { ...context, elapsedMs: () => 5_001 });
    expect(answer).toMatchObject({ settled: false, rounds: 1 });
  });

  it("moves nothing from a node that is drained when it is uncordoned", async () => {
    const leaving = aNode("edge-a", { cordoned: true, draining: true });
    const drained = aFleet({
      nodes: [leaving, b],
      versions: [aVersion("digits", 1)],
      deployments: [digits],
      placements: [aPlacement(leaving)],
    });
    expect((await ask({}, drained)).steps).toHaveLength(2);
    expect((await ask({ nodes: { uncordon: ["edge-a"] } }, drained)).steps).toEqual([]);
  });

  it("moves what is on a node that is drained or removed, and nothing when it is cordoned", async () => {
    for (const nodes of [{ drain: ["edge-a"] }, { remove: ["edge-a"] }])
      expect(stepsOf(await ask({ nodes }))).toEqual(["1 place digits:1 edge-b", "2 remove digits:1 edge-a"]);
    expect(stepsOf(await ask({ nodes: { cordon: ["edge-a"] } }))).toEqual([]);
  });

  it("names every node that refuses a replica without a place", async () => {
    const nodes = Array.from({ length: 120 }, (_, number) => aNode(`edge-${number}`, { cordoned: true }));
    const many = aFleet({ nodes, versions: [aVersion("digits", 1)], deployments: [digits] });
    const [answer] = (await ask({ nodes: { remove: ["edge-7"] } }, many)).deployments;
    expect(answer).toMatchObject({ after: { edge: { wanted: 1, placed: 0 } }, nodes: [], refusalsLeftOut: 0 });
    expect(answer?.unplaced).toHaveLength(1);
    expect(new Set(answer?.refusals.map(({ node }) => node)).size).toBe(120);
    expect(answer?.refusals.find(({ node }) => node === "edge-7")?.code).toBe("node-connected");
    expect(answer?.refusals.find(({ node }) => node === "edge-8")?.code).toBe("node-schedulable");
  });

  it("places on a node that is added like another one, or by its own figures", async () => {
    const like = await ask({ nodes: { add: [{ name: "edge-c", like: "edge-b" }] }, deployments: { apply: [spec(3)] } });
    expect(like.deployments[0]?.nodes).toEqual(["edge-a", "edge-b", "edge-c"]);
    const capabilities = { memMiB: 8_192, diskMiB: 10_000, maxOpset: 21, maxIrVersion: 10 };
    const own = await ask({
      nodes: { add: [{ name: "cloud-x", kind: "cloud", capabilities }] },
      deployments: { apply: [{ ...spec(1), placement: { edge: { min: 1 }, cloud: { min: 1 } } }] },
    });
    expect(stepsOf(own)).toEqual(["1 place digits:1 cloud-x"]);
    expect(own.steps[0]?.kind).toBe("cloud");
  });

  it("takes the disk of one replica from the next", async () => {
    const capabilities = { memMiB: 8_192, diskMiB: 1_000, maxOpset: 21, maxIrVersion: 10 };
    const large = { bytes: 700 * 1_048_576, state: "ready" } as const;
    const empty = aFleet({ versions: [aVersion("digits", 1, large), aVersion("digits", 2, large)] });
    const answer = await ask(
      {
        nodes: { add: [{ name: "edge-c", kind: "edge", capabilities }] },
        deployments: { apply: [spec(1, 1, "first"), spec(1, 2, "second")] },
      },
      empty,
    );
    // One plan may place both: what is free on a disk is known when bytes are there.
    expect(answer.deployments.map(({ after }) => after.edge.ready)).toEqual([1, 0]);
  });

  it("chooses another node when one is loaded", async () => {
    const two = { deployments: { apply: [{ ...spec(1, 1, "other") }] } };
    const chosen = async (question: z.input<typeof planRequest>) => (await ask(question)).steps[0]?.node;
    const first = await chosen(two);
    const load = [{ node: first ?? "", cpuPct: 100, rttMs: 400 }];
    expect(await chosen({ ...two, nodes: { load } })).toBe(first === "edge-a" ? "edge-b" : "edge-a");
  });

  it("takes away what a removed deployment holds, and leaves the fleet alone", async () => {
    const before = structuredClone(fleet);
    const answer = await ask({ deployments: { remove: ["digits"] } });
    expect(stepsOf(answer)).toEqual(["1 remove digits:1 edge-a"]);
    expect(answer.deployments).toMatchObject([
      { deployment: "digits", spec: "remove", after: { edge: { placed: 0 } } },
    ]);
    expect(fleet).toEqual(before);
  });

  it("says that an alias does not exist", async () => {
    const answer = await ask({ deployments: { apply: [spec(1, "champion")] } });
    expect(answer.deployments[0]).toMatchObject({
      targetVersion: null,
      unplaced: [expect.stringContaining("digits:champion does not exist")],
    });
  });

  it.each<readonly [z.input<typeof planRequest>, readonly string[]]>([
    [{ nodes: { cordon: ["edge-x"] } }, ["nodes.cordon.0"]],
    [{ nodes: { drain: ["edge-a", "edge-a"], remove: ["edge-a"] } }, ["nodes.drain.0", "nodes.drain.1"]],
    [{ nodes: { add: [{ name: "edge-a", like: "edge-x" }] } }, ["nodes.add.0.name", "nodes.add.0.like"]],
    [{ nodes: { load: [{ node: "edge-x", cpuPct: 1, diskFreeMiB: 1, rttMs: 1 }] } }, ["nodes.load.0.node"]],
    [
      { nodes: { add: [{ name: "edge-c", like: "edge-a" }], load: [{ node: "edge-c", cpuPct: 1 }] } },
      ["nodes.load.0.diskFreeMiB", "nodes.load.0.rttMs"],
    ],
    [{ deployments: { remove: ["faces"] } }, ["deployments.remove.0"]],
    [{ deployments: { apply: [spec(1)], remove: ["digits"] } }, ["deployments.remove.0"]],
  ])("refuses %j by the fields that name what is not there, or is named twice", async (question, fields) => {
    const refused: unknown = await ask(question).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: "INVALID_REQUEST",
      cause: { causes: fields.map((field) => expect.objectContaining({ field })) },
    });
  });

  it.each<readonly [object, string]>([
    [{ nodes: { cordons: [] } }, "unrecognized_keys"],
    [{ nodes: { add: [{ name: "edge-c" }] } }, "custom"],
    [{ nodes: { cordon: Array.from({ length: 101 }, () => "edge-a") } }, "too_big"],
    [{ deployments: { apply: [{ ...spec(1), size: 2 }] } }, "unrecognized_keys"],
  ])("does not take %j", (question, code) => {
    expect(planRequest.safeParse(question).error?.issues[0]?.code).toBe(code);
  });
});
