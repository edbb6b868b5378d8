import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type {
  Fleet,
  FleetDeployment,
  FleetNode,
  FleetPlacement,
} from "../../../../../control-plane/core/fleet/types.ts";
import { podsNeeded } from "../../../../../control-plane/core/scaling/packing.ts";
import { planPools, type PoolPlan } from "../../../../../control-plane/core/scaling/pool-plan.ts";
import type { ObservedPod, Pool } from "../../../../../control-plane/core/scaling/pool.ts";
import type { PlacementId } from "../../../../../shared/base/ids.ts";
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

const pod = (name: string, over: Partial<ObservedPod> = {}): ObservedPod => ({
  name,
  state: "running",
  trouble: undefined,
  createdAt: Number(name.replaceAll(/\D/g, "")),
  ...over,
});

const pool = (names: readonly (string | ObservedPod)[], over: Partial<Pool> = {}): Pool => {
  const pods = names.map((each) => (typeof each === "string" ? pod(each) : each));
  return {
    name: "default",
    min: 0,
    max: 4,
    site: "cloud",
    replicas: pods.filter(({ state }) => state !== "ending").length,
    pods,
    labels: { pool: "default" },
    memMiB: 2_048,
    cpus: 2,
    trouble: undefined,
    ...over,
  };
};

const podNode = (name: string, over: Partial<FleetNode> = {}): FleetNode =>
  aNode(name, { kind: "cloud", site: "cloud", labels: { pool: "default" }, ...over });

/** `model` with so many cloud replicas wanted. */
const wanting = (model: string, replicas: number, spec: object = {}): FleetDeployment =>
  aDeployment(
    { name: model, model, version: 1, placement: { cloud: { min: 0, max: 100 } }, ...spec },
    {
      status: {
        observedGeneration: 1,
        at: 0,
        findings: {
          conditions: [],
          activeVersion: null,
          targetVersion: 1,
          edge: { wanted: 0, placed: 0, ready: 0 },
          cloud: { wanted: replicas, placed: 0, ready: 0 },
          unplaced: [],
        },
      },
    },
  );

const on = (node: FleetNode, model: string): FleetPlacement =>
  aPlacement(node, { id: `p-${model}-${node.name}` as PlacementId, deployment: model, model });

const fleetOf = (
  nodes: readonly FleetNode[],
  deployments: readonly FleetDeployment[],
  placements: readonly FleetPlacement[] = [],
): Fleet => aFleet({ nodes, deployments, placements, versions: deployments.map(({ name }) => aVersion(name, 1)) });

interface Over {
  readonly workers?: number;
  readonly drainedHere?: readonly string[];
  readonly leaderSince?: number;
}

const planOf = (fleet: Fleet, pools: readonly Pool[], { workers = 0, drainedHere = [], leaderSince = 0 }: Over = {}) =>
  planPools(fleet, pools, {
    now: NOW,
    timings: TIMINGS,
    trigger: "test",
    workersOf: () => workers,
    drainedHere: new Set(drainedHere),
    leaderSince,
    scaleDownMs: 60_000,
  });

/** The steps in English. */
const stepsOf = (plans: readonly PoolPlan[]): readonly string[] =>
  plans.flatMap(({ pool: { name }, steps }) =>
    steps.map((step) =>
      step.kind === "scale"
        ? `scale ${name} ${step.from} → ${step.to}${step.remove.map((each) => ` without ${each}`).join("")}`
        : `${step.kind} ${step.node.name}`,
    ),
  );

const STUCK = { state: "pending" } as const;
const one = podNode("pod-1");
const two = podNode("pod-2");

describe("the pods that a pool needs", () => {
  it("are one for each replica of a deployment, within min and max", () => {
    const digits = [wanting("digits", 3)];
    expect(stepsOf(planOf(fleetOf([], digits), [pool([])]))).toEqual(["scale default 0 → 3"]);
    expect(stepsOf(planOf(fleetOf([], digits), [pool([], { max: 2 })]))).toEqual(["scale default 0 → 2"]);
    expect(stepsOf(planOf(fleetOf([], []), [pool([], { min: 1 })]))).toEqual(["scale default 0 → 1"]);
  });

  it("hold replicas of several deployments while these fit", () => {
    const both = [wanting("digits", 1), wanting("faces", 1)];
    expect(stepsOf(planOf(fleetOf([], both), [pool([])]))).toEqual(["scale default 0 → 1"]);
    const large = both.map((each) => ({
      ...each,
      spec: { ...each.spec, limits: { ...each.spec.limits, memMiB: 1_200 } },
    }));
    expect(stepsOf(planOf(fleetOf([], large), [pool([])]))).toEqual(["scale default 0 → 2"]);
  });

  it("are not needed for what other cloud nodes hold", () => {
    const fixed = aNode("cloud-a", { kind: "cloud" });
    const fleet = fleetOf([fixed], [wanting("digits", 2)], [on(fixed, "digits")]);
    expect(stepsOf(planOf(fleet, [pool([])]))).toEqual(["scale default 0 → 1"]);
  });

  it("are more when the load needs more processors than there are", () => {
    const fleet = fleetOf([one], [wanting("digits", 1), wanting("faces", 1)], [on(one, "digits"), on(one, "faces")]);
    expect(stepsOf(planOf(fleet, [pool(["pod-1"], { cpus: 1 })], { workers: 1 }))).toEqual(["scale default 1 → 2"]);
    expect(stepsOf(planOf(fleet, [pool(["pod-1"], { cpus: 2 })], { workers: 1 }))).toEqual([]);
  });

  it("are none for a deployment that its nodes cannot hold", () => {
    const elsewhere = wanting("digits", 1, {
      placement: { where: { matchLabels: { pool: "gpu" } }, cloud: { max: 9 } },
    });
    const huge = wanting("faces", 1, { limits: { memMiB: 100_000 } });
    expect(stepsOf(planOf(fleetOf([], [elsewhere, huge]), [pool([])]))).toEqual([]);
  });

  it("are those of the next pool where one is full, or cannot have its pods", () => {
    const spot = pool([], { name: "spot", max: 9 });
    const stuck = pool([pod("pod-1", { state: "pending", trouble: "Unschedulable: no machine" })]);
    const three = fleetOf([], [wanting("digits", 3)]);
    expect(stepsOf(planOf(three, [pool([], { max: 1 }), spot]))).toEqual(["scale default 0 → 1", "scale spot 0 → 2"]);
    expect(stepsOf(planOf(three, [stuck, spot]))).toEqual(
      ["scale spot 0 → 3", "scale default 1 → 0 without pod-1"].toSorted(),
    );
  });

  it("stay asked for while they cannot run, as far as no other pool can have them", () => {
    const stuck = pool([pod("pod-1", { state: "pending", trouble: "Unschedulable: no machine" })]);
    expect(stepsOf(planOf(fleetOf([], [wanting("digits", 1)]), [stuck]))).toEqual([]);
    const beside = pool(["pod-1", pod("pod-2", { state: "pending", trouble: "Unschedulable: no machine" })]);
    const half = fleetOf([one], [wanting("digits", 2)], [on(one, "digits")]);
    expect(stepsOf(planOf(half, [beside]))).toEqual([]);
    const spot = pool([], { name: "spot", max: 1 });
    expect(stepsOf(planOf(fleetOf([], [wanting("digits", 3)]), [stuck, spot]))).toEqual([
      "scale default 1 → 2",
      "scale spot 0 → 1",
    ]);
  });
});

describe("a pool that shrinks", () => {
  const half = fleetOf([one, two], [wanting("digits", 1)], [on(one, "digits")]);

  it("drains the emptiest node first, and removes its pod when nothing is left on it", () => {
    const before = pool(["pod-1", "pod-2"]);
    expect(stepsOf(planOf(half, [before]))).toEqual(["drain pod-2"]);
    const draining = podNode("pod-2", { draining: true });
    const leaving = fleetOf([one, draining], [wanting("digits", 1)], [on(one, "digits"), on(draining, "faces")]);
    expect(stepsOf(planOf(leaving, [before]))).toEqual([]);
    const empty = fleetOf([one, draining], [wanting("digits", 1)], [on(one, "digits")]);
    expect(stepsOf(planOf(empty, [before]))).toEqual(["scale default 2 → 1 without pod-2"]);
  });

  it("removes pods that are no nodes yet at once", () => {
    const fleet = fleetOf([one], [wanting("digits", 1)], [on(one, "digits")]);
    const pending = pool(["pod-1", pod("pod-2", { state: "pending" })], { replicas: 3 });
    expect(stepsOf(planOf(fleet, [pending]))).toEqual(["scale default 3 → 1 without pod-2"]);
  });

  it("keeps a node that it drains when it is needed again, but not one that an operator drains or cordons", () => {
    const draining = podNode("pod-2", { draining: true });
    const fleet = fleetOf([one, draining], [wanting("digits", 2)], [on(one, "digits"), on(draining, "digits")]);
    const both = pool(["pod-1", "pod-2"]);
    expect(stepsOf(planOf(fleet, [both], { drainedHere: [draining.id] }))).toEqual(["undrain pod-2"]);
    expect(stepsOf(planOf(fleet, [both]))).toEqual(["scale default 2 → 3"]);
    const cordoned = podNode("pod-2", { draining: true, cordoned: true });
    const taken = fleetOf([one, cordoned], [wanting("digits", 2)], [on(one, "digits"), on(cordoned, "digits")]);
    expect(stepsOf(planOf(taken, [both], { drainedHere: [cordoned.id] }))).toEqual(["scale default 2 → 3"]);
  });

  it("keeps what it has while its leader is new, which does not know the load before it, but for what is empty", () => {
    const before = pool(["pod-1", "pod-2", pod("pod-3", STUCK)], { replicas: 4 });
    expect(stepsOf(planOf(half, [before], { leaderSince: NOW - 59_000 }))).toEqual([]);
    expect(stepsOf(planOf(half, [before], { leaderSince: NOW - 60_000 }))).toEqual([
      "scale default 4 → 2 without pod-3",
      "drain pod-2",
    ]);
    const empty = fleetOf([one, podNode("pod-2", { draining: true })], [wanting("digits", 1)], [on(one, "digits")]);
    expect(stepsOf(planOf(empty, [pool(["pod-1", "pod-2"])], { leaderSince: NOW }))).toEqual([
      "scale default 2 → 1 without pod-2",
    ]);
  });

  it("waits until the cluster has removed what it was asked to", () => {
    expect(stepsOf(planOf(half, [pool(["pod-1", "pod-2"], { replicas: 1 })]))).toEqual([]);
    expect(stepsOf(planOf(half, [pool(["pod-1", pod("pod-2", { state: "ending" })])]))).toEqual([]);
  });

  it("grows and keeps nodes while the cluster has more pods than it was asked for, and gives none up", () => {
    const three = podNode("pod-3");
    const surged = (over: Partial<Pool> = {}): Pool => pool(["pod-1", "pod-2", pod("pod-3", STUCK)], over);
    const held = [on(one, "digits"), on(two, "digits")];
    const asking = (replicas: number): Fleet => fleetOf([one, two], [wanting("digits", replicas)], held);
    expect(stepsOf(planOf(asking(1), [surged({ replicas: 2 })]))).toEqual([]);
    expect(stepsOf(planOf(asking(2), [surged({ replicas: 2 })]))).toEqual([]);
    expect(stepsOf(planOf(asking(3), [surged({ replicas: 2 })]))).toEqual(["scale default 2 → 3"]);
    expect(stepsOf(planOf(asking(9), [surged({ replicas: 2, max: 3 })]))).toEqual(["scale default 2 → 3"]);
    const draining = podNode("pod-2", { draining: true });
    const again = fleetOf([one, draining, three], [wanting("digits", 3)], [on(one, "digits"), on(draining, "digits")]);
    expect(stepsOf(planOf(again, [surged({ replicas: 2 })], { drainedHere: [draining.id] }))).toEqual([
      "undrain pod-2",
    ]);
    const goes = fleetOf([one, draining], [wanting("digits", 1)], [on(one, "digits")]);
    const asked = pool(["pod-1", "pod-2"], { replicas: 1 });
    expect(stepsOf(planOf(goes, [asked], { drainedHere: [draining.id] }))).toEqual([]);
    const needed = fleetOf([one, draining], [wanting("digits", 2)], [on(one, "digits")]);
    expect(stepsOf(planOf(needed, [asked], { drainedHere: [draining.id] }))).toEqual(["scale default 1 → 2"]);
  });

  it("gives up a cordoned node's room, and so brings another pod", () => {
    const cordoned = podNode("pod-1", { cordoned: true });
    expect(stepsOf(planOf(fleetOf([cordoned], [wanting("digits", 1)]), [pool(["pod-1"])]))).toEqual([
      "scale default 1 → 2",
    ]);
  });

  it("brings another pod for one whose node is lost, and none for one that has failed: the cluster does", () => {
    const digits = wanting("digits", 2);
    const lost = aSilentNode("pod-2", TIMINGS.lostMs + 1, {
      kind: "cloud",
      site: "cloud",
      labels: { pool: "default" },
    });
    const fleet = fleetOf([one, lost], [digits], [on(one, "digits"), on(lost, "digits")]);
    expect(stepsOf(planOf(fleet, [pool(["pod-1", "pod-2"])]))).toEqual(["scale default 2 → 3"]);
    const withRoom = fleetOf([one, lost], [digits], [on(one, "digits")]);
    expect(stepsOf(planOf(withRoom, [pool(["pod-1", "pod-2"])]))).toEqual(["scale default 2 → 3"]);
    const failed = pool(["pod-1", pod("pod-2", { state: "failed", trouble: "Evicted" }), pod("pod-3", STUCK)], {
      replicas: 2,
    });
    expect(stepsOf(planOf(fleetOf([one], [digits], [on(one, "digits")]), [failed]))).toEqual([]);
  });
});

describe("packing", () => {
  const item = fc.record({
    deployment: fc.constantFrom("a", "b", "c", "d"),
    memMiB: fc.integer({ min: 64, max: 1_000 }),
    count: fc.integer({ min: 0, max: 5 }),
  });
  const items = fc.uniqueArray(item, { selector: ({ deployment }) => deployment });

  it("needs at least the memory and the largest count, and at most a pod for each replica", () => {
    const property = fc.property(items, (all) => {
      const pods = podsNeeded(all, [], 1_000);
      const mib = all.reduce((sum, { memMiB, count }) => sum + memMiB * count, 0);
      const replicas = all.reduce((sum, { count }) => sum + count, 0);
      return (
        pods >= Math.ceil(mib / 1_000) && pods >= Math.max(0, ...all.map(({ count }) => count)) && pods <= replicas
      );
    });
    expect(fc.check(property).counterexample).toBeNull();
  });
});

describe("a pool under the plan", () => {
  it("settles: after the steps are done and the pods are there, nothing is left to do, and it never leaves its range", () => {
    const asked = fc.record({ digits: fc.nat(6), faces: fc.nat(6), min: fc.nat(3), more: fc.nat(5), start: fc.nat(6) });
    const property = fc.property(asked, ({ digits, faces, min, more, start }) => {
      const max = min + more;
      const deployments = [wanting("digits", digits), wanting("faces", faces)];
      let names = Array.from({ length: Math.min(start, max) }, (_, index) => `pod-${index}`);
      const draining = new Set<string>();
      for (let round = 0; round < 30; round += 1) {
        const nodes = names.map((name) => podNode(name, draining.has(name) ? { draining: true } : {}));
        const placements = deployments.flatMap(({ name, status }) =>
          nodes
            .filter((node) => !node.draining)
            .slice(0, status?.findings.cloud.wanted)
            .map((node) => on(node, name)),
        );
        const [plan] = planOf(fleetOf(nodes, deployments, placements), [pool(names, { min, max })]);
        if (plan === undefined || plan.steps.length === 0)
          return names.length >= min && names.length <= max && draining.size === 0;
        for (const step of plan.steps) {
          if (step.kind === "drain") draining.add(step.node.name);
          else if (step.kind === "undrain") draining.delete(step.node.name);
          else {
            if (step.to > max) return false;
            names = names.filter((name) => !step.remove.includes(name));
            for (const name of step.remove) draining.delete(name);
            while (names.length < step.to) names.push(`pod-${round + 10}-${names.length}`);
          }
        }
      }
      return false;
    });
    expect(fc.check(property).counterexample).toBeNull();
  });
});
