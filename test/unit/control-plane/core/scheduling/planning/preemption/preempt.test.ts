import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type {
  Fleet,
  FleetDeployment,
  FleetNode,
  FleetPlacement,
} from "../../../../../../../control-plane/core/fleet/types.ts";
import { isWanted, placementsOfDeployment } from "../../../../../../../control-plane/core/fleet/queries.ts";
import { withPlacements } from "../../../../../../../control-plane/core/fleet/with-placements.ts";
import { desiredFor } from "../../../../../../../control-plane/core/reconcile/desired.ts";
import { deploymentFindings } from "../../../../../../../control-plane/core/reconcile/deployment-status.ts";
import { planFleet, type FleetPlan } from "../../../../../../../control-plane/core/reconcile/plan.ts";
import { describePlan, type Step } from "../../../../../../../control-plane/core/reconcile/steps.ts";
import { whenDone, withSteps } from "../../../../../../../control-plane/core/what-if/virtual-fleet.ts";
import { whatIf } from "../../../../../../../control-plane/core/what-if/what-if.ts";
import { NOW } from "../../../../../../support/fleet/fleet-builder.ts";
import { asking, context, deploymentOf, fleetOf, nodeWith, on } from "../../../../../../support/fleet/slots.ts";

const describeSteps = (plan: FleetPlan): readonly string[] => describePlan(plan.steps);

describe("two deployments that want the same room", () => {
  const node = nodeWith("edge-a", 1);
  const low = deploymentOf("a-low", { min: 0, max: 1 });
  const high = deploymentOf("z-high", { min: 1, priority: 10 });
  const demand = asking({ "a-low": 1 });

  it("are placed in the order of their priority, whatever their names", () => {
    const both = [deploymentOf("a-low", { min: 1 }), high];
    expect(describeSteps(planFleet(fleetOf([node], both), context))).toEqual(["place z-high:1 on edge-a"]);
  });

  it("change places when the higher one comes later: the lower one leaves, and the plan says for whom and why", () => {
    const plan = planFleet(fleetOf([node], [low, high], [on(node, "a-low")]), demand);
    expect(describeSteps(plan)).toEqual([
      "remove a-low:1 from edge-a: it makes room for z-high, whose priority 10 is higher",
      "place z-high:1 on edge-a",
    ]);
    expect(plan.steps[0]).toMatchObject({ preemptedBy: "z-high" });
    const [record] = plan.decisions.get("z-high")?.records ?? [];
    expect(record?.victims).toEqual([
      {
        placementId: "a-low-edge-a",
        deployment: "a-low",
        modelVersion: "a-low:1",
        node: "edge-a",
        priority: 0,
        reason: "priority",
      },
    ]);
    expect(record?.sentence).toContain("a-low:1 of a-low (priority 0) leaves edge-a for it (priority 10)");
    const [told] = plan.decisions.get("a-low")?.records ?? [];
    expect(told?.preemptedBy).toEqual([{ deployment: "z-high", node: "edge-a", priority: 10, reason: "priority" }]);
  });

  it("are not on the node at once: the higher one is brought there and loads when the lower one is gone", () => {
    const fleet = fleetOf([node], [low, high], [on(node, "a-low")]);
    const told = withSteps(fleet, planFleet(fleet, demand).steps, NOW);
    const wants = (of: Fleet) => desiredFor(of, of.nodes.get(node.id) ?? node).placements.map(({ want }) => want);
    expect(wants(told)).toEqual(["hold"]);
    expect(wants(whenDone(told, demand))).toEqual(["serve"]);
    const plan = planFleet(told, demand);
    expect(plan.steps).toEqual([]);
    const conditions = (name: string) => {
      const decision = plan.decisions.get(name);
      const deployment = told.deployments.get(name);
      if (!decision || !deployment) throw new Error(`there is no ${name}`);
      return deploymentFindings(told, deployment, { ...demand, plan: decision }).conditions;
    };
    expect(conditions("z-high").find(({ type }) => type === "Progressing")).toMatchObject({
      reason: "MakingRoom",
      message: "1 offered; z-high:1 loads on edge-a when a-low:1 of a-low has left",
    });
    expect(conditions("a-low").find(({ type }) => type === "Stalled")).toMatchObject({
      status: "True",
      reason: "Preempted",
      message: expect.stringContaining("a replica left edge-a to make room for z-high, whose priority is 10"),
    });
  });

  it("do not change places again: the lower one takes nothing back, and returns when the higher one is gone", () => {
    const fleet = fleetOf([node], [low, high], [on(node, "a-low")]);
    const rounds = [...whatIf(fleet, demand)];
    expect(rounds.map(({ plan }) => plan.steps.length)).toEqual([2, 0, 0]);
    const last = rounds.at(-1)?.fleet ?? fleet;
    const without = { ...last, deployments: new Map([["a-low", low]]) };
    const back = [...whatIf(without, demand)].flatMap(({ plan }) => plan.steps);
    expect(describePlan(back)).toEqual(expect.arrayContaining(["place a-low:1 on edge-a"]));
  });

  it.each([
    ["are the other way round", deploymentOf("a-low", { min: 0, max: 1, priority: 11 })],
    ["would leave the other one below its minimum", deploymentOf("a-low", { min: 1 })],
  ])("stay where they are when priorities %s", (_what, other) => {
    expect(planFleet(fleetOf([node], [other, high], [on(node, "a-low")]), demand).steps).toEqual([]);
  });

  it("stay where they are when the room would not be enough, or the node does not fit anyway", () => {
    const large = deploymentOf("z-high", { min: 1, priority: 10, memMiB: 1_500 });
    expect(planFleet(fleetOf([node], [low, large], [on(node, "a-low")]), demand).steps).toEqual([]);
    const cordoned = nodeWith("edge-a", 1, { cordoned: true });
    expect(planFleet(fleetOf([cordoned], [low, high], [on(cordoned, "a-low")]), demand).steps).toEqual([]);
  });

  it("stay where they are while the higher one has its minimum", () => {
    const b = nodeWith("edge-b", 1);
    const more = deploymentOf("z-high", { min: 1, max: 2, priority: 10 });
    const fleet = fleetOf([node, b], [low, more], [on(node, "a-low"), on(b, "z-high")]);
    expect(planFleet(fleet, asking({ "a-low": 1, "z-high": 2 })).steps).toEqual([]);
  });

  it("stay where they are when the higher one has failed somewhere: it would empty one node after the other", () => {
    const b = nodeWith("edge-b", 1);
    const failure = { code: "LOAD_FAILED", detail: "" } as const;
    const failed = on(b, "z-high", { state: "failed", stateSince: NOW - 1_000, failure });
    expect(planFleet(fleetOf([node, b], [low, high], [on(node, "a-low"), failed]), demand).steps).toEqual([]);
  });

  it("stay where they are when the higher one makes no progress somewhere", () => {
    const b = nodeWith("edge-b", 1);
    const since = NOW - 3_600_000;
    const stuck = on(b, "z-high", { state: "loading", stateSince: since, progressSince: since, decidedAt: since });
    expect(planFleet(fleetOf([node, b], [low, high], [on(node, "a-low"), stuck]), demand).steps).toEqual([]);
  });

  it("change places where the lower one has failed, not where its only other replica is on its way", () => {
    const b = nodeWith("edge-b", 1);
    const loading = on(node, "a-low", { state: "loading", stateSince: NOW, decidedAt: NOW, progressSince: NOW });
    const failed = on(b, "a-low", { state: "failed", stateSince: NOW - 1_000 });
    const fleet = fleetOf([node, b], [deploymentOf("a-low", { min: 1, max: 2 }), high], [loading, failed]);
    expect(describeSteps(planFleet(fleet, demand))).toEqual([
      "remove a-low:1 from edge-b: it makes room for z-high, whose priority 10 is higher",
      "place z-high:1 on edge-b",
    ]);
  });

  it("change places also when the plan before kept the lower one, which had all that it wanted", () => {
    const fleet = fleetOf([node], [low, high], [on(node, "a-low")]);
    const before = planFleet({ ...fleet, deployments: new Map([["a-low", low]]) }, demand);
    expect([...before.memory.settled.keys()]).toEqual(["a-low"]);
    const [kept, whole] = [planFleet(fleet, demand, before), planFleet(fleet, demand)];
    expect([kept.steps, kept.decisions]).toEqual([whole.steps, whole.decisions]);
  });

  it("change places however long the lower one takes to leave: the higher one has not stalled meanwhile", () => {
    const fleet = fleetOf([node], [low, high], [on(node, "a-low")]);
    const told = withSteps(fleet, planFleet(fleet, demand).steps, NOW - 3_600_000);
    const staged = new Map(
      told.placements
        .values()
        .map((each) => [
          each.id as string,
          each.deployment === "z-high" ? { ...each, state: "staged" as const } : each,
        ]),
    );
    expect(planFleet(withPlacements(told, staged), demand).decisions.get("z-high")?.stalled).toEqual([]);
  });

  it("change places when the lower one is leaving already and the rest was not written: no other one leaves", () => {
    const b = nodeWith("edge-b", 1);
    const two = deploymentOf("a-low", { min: 0, max: 2 });
    const leaving = on(node, "a-low", { wanted: "gone", state: "draining" });
    const fleet = fleetOf([node, b], [two, high], [leaving, on(b, "a-low")]);
    expect(describeSteps(planFleet(fleet, asking({ "a-low": 1 })))).toEqual(["place z-high:1 on edge-a"]);
  });

  it.each([10, 11])("stay while one of priority %d leaves another node: its room is waited for", (priority) => {
    const b = nodeWith("edge-b", 1);
    const other = deploymentOf("other", { min: 0, max: 1, priority });
    const leaving = on(b, "other", { wanted: "gone", state: "draining" });
    const fleet = fleetOf([node, b], [low, other, high], [on(node, "a-low"), leaving]);
    const plan = planFleet(fleet, demand);
    expect(describeSteps(plan)).toEqual(["place z-high:1 on edge-b"]);
    const told = withSteps(fleet, plan.steps, NOW);
    expect(desiredFor(told, b).placements.map(({ want }) => want)).toEqual(["hold"]);
    const back = planFleet(told, asking({ "a-low": 1, other: 1 })).decisions.get("other");
    expect([back?.shortfall.length, back?.preempted]).toEqual([1, []]);
  });
});

describe("whom a deployment sends away", () => {
  const two = nodeWith("edge-a", 2);
  const [b, c] = [nodeWith("edge-b", 1), nodeWith("edge-c", 1)];
  const high = deploymentOf("high", { min: 1, priority: 10 });
  const low = deploymentOf("low", { min: 0, max: 3 });
  const middle = deploymentOf("middle", { min: 0, max: 3, priority: 5 });
  const demand = asking({ low: 3, middle: 3, other: 1 });
  const removed = (fleet: Fleet): readonly string[] =>
    planFleet(fleet, demand).steps.flatMap((step) => (step.kind === "placement.remove" ? [step.placement.id] : []));

  it("is the lowest priority", () => {
    expect(removed(fleetOf([two], [low, middle, high], [on(two, "middle"), on(two, "low")]))).toEqual(["low-edge-a"]);
    expect(removed(fleetOf([b, c], [low, middle, high], [on(b, "middle"), on(c, "low")]))).toEqual(["low-edge-c"]);
  });

  it("is one rather than two", () => {
    const large = deploymentOf("high", { min: 1, priority: 10, memMiB: 2_000 });
    const wide = deploymentOf("middle", { min: 0, max: 1, priority: 5, memMiB: 2_000 });
    const other = deploymentOf("other", { min: 0, max: 1 });
    const d = nodeWith("edge-d", 2);
    const fleet = fleetOf([two, d], [low, other, wide, large], [on(two, "low"), on(two, "other"), on(d, "middle")]);
    expect(removed(fleet)).toEqual(["middle-edge-d"]);
  });

  it("is one that does not answer yet, then one without requests, then the youngest", () => {
    const other = deploymentOf("other", { min: 0, max: 1 });
    const both = (
      lowOver: Partial<FleetPlacement>,
      otherOver: Partial<FleetPlacement>,
      node = two,
    ): readonly string[] =>
      removed(fleetOf([node], [low, other, high], [on(node, "low", lowOver), on(node, "other", otherOver)]));
    expect(both({}, { state: "loading", stateSince: NOW, decidedAt: NOW })).toEqual(["other-edge-a"]);
    const load = two.load && { ...two.load, placements: [{ placementId: "other-edge-a", rif: 3 }] };
    const busy = { ...two, load } as FleetNode;
    expect(both({ decidedAt: NOW - 900_000 }, { decidedAt: NOW - 100_000 }, busy)).toEqual(["low-edge-a"]);
    expect(both({ decidedAt: NOW - 900_000 }, { decidedAt: NOW - 100_000 })).toEqual(["other-edge-a"]);
  });
});

/** Nodes of one to three places; deployments of some priorities; whatever of them is on the nodes, as far as there is room. */
const anyFleet = fc
  .record({
    slots: fc.array(fc.record({ slots: fc.integer({ min: 1, max: 3 }), cordoned: fc.boolean() }), {
      minLength: 1,
      maxLength: 4,
    }),
    deployments: fc.array(
      fc.record({
        priority: fc.integer({ min: -1, max: 2 }),
        min: fc.integer({ min: 0, max: 3 }),
        more: fc.integer({ min: 0, max: 2 }),
        slots: fc.integer({ min: 1, max: 2 }),
        asked: fc.integer({ min: 0, max: 4 }),
      }),
      { minLength: 2, maxLength: 5 },
    ),
    placed: fc.array(
      fc.record({
        node: fc.nat(3),
        deployment: fc.nat(4),
        state: fc.constantFrom("ready", "ready", "loading", "offered"),
      }),
      { maxLength: 10 },
    ),
  })
  .map(({ slots, deployments, placed }) => {
    const nodes = slots.map((each, at) => nodeWith(`edge-${at}`, each.slots, { cordoned: each.cordoned && at > 0 }));
    const declared = deployments.map((each, at) =>
      deploymentOf(`d${at}`, {
        priority: each.priority,
        min: each.min,
        memMiB: each.slots * 1_000,
        ...(each.more > 0 && { max: each.min + each.more }),
      }),
    );
    const free = slots.map((each) => each.slots);
    const placements: FleetPlacement[] = [];
    for (const { node: at, deployment: which, state } of placed) {
      const [node, deployment] = [nodes[at % nodes.length], declared[which % declared.length]];
      if (!node || !deployment) continue;
      const needs = deployments[which % declared.length]?.slots ?? 1;
      const index = at % nodes.length;
      if ((free[index] ?? 0) < needs || placements.some(({ id }) => id === `${deployment.name}-${node.name}`)) continue;
      free[index] = (free[index] ?? 0) - needs;
      placements.push(
        on(node, deployment.name, {
          state: state as FleetPlacement["state"],
          progressSince: NOW,
          stateSince: NOW,
          decidedAt: NOW - 1_000,
        }),
      );
    }
    return {
      fleet: fleetOf(nodes, declared, placements),
      context: asking(Object.fromEntries(deployments.map(({ asked }, at) => [`d${at}`, asked]))),
    };
  });

const needMiB = ({ spec }: FleetDeployment): number => spec.limits.memMiB ?? 0;
const priorityOf = ({ spec }: FleetDeployment): number => spec.priority ?? 0;
const replicasOf = (fleet: Fleet, name: string): readonly FleetPlacement[] =>
  placementsOfDeployment(fleet, name).filter(isWanted);
const find = (fleet: Fleet, name: string | undefined): FleetDeployment => {
  const found = fleet.deployments.get(name ?? "");
  if (!found) throw new Error(`there is no ${name}`);
  return found;
};
/** MiB that are free on a node, by what its placements need. */
const freeMiB = (fleet: Fleet, node: FleetNode): number =>
  Math.floor(0.9 * (node.capabilities?.memMiB ?? 0)) -
  (fleet.placementsOn.get(node.id) ?? []).reduce((sum, { deployment }) => sum + needMiB(find(fleet, deployment)), 0);
const isPreemption = (step: Step): step is Step<"placement.remove"> =>
  step.kind === "placement.remove" && step.preemptedBy !== undefined;

describe("whatever the priorities, minimums and nodes are", () => {
  it("the plan comes to an end, is then empty, and no node holds more than it can", () => {
    let preemptions = 0;
    fc.assert(
      fc.property(anyFleet, (world) => {
        const rounds = [...whatIf(world.fleet, world.context)];
        const last = rounds.at(-1);
        if (!last) throw new Error("there is no round");
        preemptions += rounds.flatMap(({ plan }) => plan.steps).filter(isPreemption).length;
        expect(last.isLast).toBe(true);
        expect(planFleet(last.fleet, world.context).steps).toEqual([]);
        for (const node of last.fleet.nodes.values()) expect(freeMiB(last.fleet, node)).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 1_000 },
    );
    expect(preemptions).toBeGreaterThan(20);
  });

  it("every choice passes every filter when its victims are gone, and none goes to a cordoned node", () => {
    fc.assert(
      fc.property(anyFleet, (world) => {
        for (const { fleet, plan } of whatIf(world.fleet, world.context)) {
          const after = withSteps(fleet, plan.steps, NOW);
          for (const step of plan.steps) {
            if (step.kind !== "placement.create") continue;
            const node = fleet.nodes.get(step.nodeId);
            if (!node) throw new Error("there is no such node");
            expect(node.cordoned).toBe(false);
            const there = (after.placementsOn.get(node.id) ?? []).filter(isWanted);
            const neededMiB = there.reduce((sum, { deployment }) => sum + needMiB(find(fleet, deployment)), 0);
            expect(neededMiB).toBeLessThanOrEqual(Math.floor(0.9 * (node.capabilities?.memMiB ?? 0)));
            expect(there.filter(({ deployment }) => deployment === step.deployment)).toHaveLength(1);
          }
        }
      }),
    );
  });

  it("nobody is sent away by a lower priority, by an equal one only for a minimum, and never below its own", () => {
    fc.assert(
      fc.property(anyFleet, (world) => {
        for (const { fleet, plan } of whatIf(world.fleet, world.context)) {
          const after = withSteps(fleet, plan.steps, NOW);
          for (const step of plan.steps.filter(isPreemption)) {
            const victim = find(fleet, step.placement.deployment);
            const more = priorityOf(find(fleet, step.preemptedBy)) - priorityOf(victim);
            expect([step.reason, more > 0]).toEqual([more > 0 ? "priority" : "minimum", more > 0]);
            expect(more).toBeGreaterThanOrEqual(0);
            const left = replicasOf(after, victim.name);
            expect(left.length).toBeGreaterThanOrEqual(victim.spec.placement.edge.min);
            if (step.placement.state === "ready")
              expect(left.filter(({ state }) => state === "ready").length).toBeGreaterThanOrEqual(
                victim.spec.placement.edge.min,
              );
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("a deployment lacks its minimum only where no node has room, nor would have it without those that may go", () => {
    let lacking = 0;
    fc.assert(
      fc.property(anyFleet, (world) => {
        const last = [...whatIf(world.fleet, world.context)].at(-1);
        if (!last) throw new Error("there is no round");
        const { fleet } = last;
        for (const deployment of fleet.deployments.values()) {
          const replicas = replicasOf(fleet, deployment.name);
          if (replicas.length >= deployment.spec.placement.edge.min) continue;
          lacking += 1;
          for (const node of fleet.nodes.values()) {
            if (node.cordoned || replicas.some(({ nodeId }) => nodeId === node.id)) continue;
            const spareMiB = (fleet.placementsOn.get(node.id) ?? [])
              .map((placement) => find(fleet, placement.deployment))
              .filter((other) => priorityOf(other) <= priorityOf(deployment))
              .filter((other) => replicasOf(fleet, other.name).length > other.spec.placement.edge.min)
              .reduce((sum, other) => sum + needMiB(other), 0);
            expect(freeMiB(fleet, node) + spareMiB).toBeLessThan(needMiB(deployment));
          }
        }
      }),
      { numRuns: 300 },
    );
    expect(lacking).toBeGreaterThan(10);
  });

  it("a plan that keeps decisions of the one before is the plan that is made without it", () => {
    fc.assert(
      fc.property(anyFleet, (world) => {
        for (const { fleet, plan } of whatIf(world.fleet, world.context)) {
          const whole = planFleet(fleet, world.context);
          expect([plan.steps, plan.decisions]).toEqual([whole.steps, whole.decisions]);
        }
      }),
    );
  });
});
