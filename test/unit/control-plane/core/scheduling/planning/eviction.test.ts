import { describe, expect, it } from "@jest/globals";
import type { Fleet, FleetDeployment, FleetNode } from "../../../../../../control-plane/core/fleet/types.ts";
import { deploymentFindings } from "../../../../../../control-plane/core/reconcile/deployment-status.ts";
import { planFleet } from "../../../../../../control-plane/core/reconcile/plan.ts";
import { describePlan } from "../../../../../../control-plane/core/reconcile/steps.ts";
import type { PlanContext } from "../../../../../../control-plane/core/scheduling/context.ts";
import { withSteps } from "../../../../../../control-plane/core/what-if/virtual-fleet.ts";
import { whatIf } from "../../../../../../control-plane/core/what-if/what-if.ts";
import { NOW } from "../../../../../support/fleet/fleet-builder.ts";
import { asking, context, deploymentOf, fleetOf, nodeWith, on } from "../../../../../support/fleet/slots.ts";

const MINUTE = 60_000;
const [a, b] = [nodeWith("edge-a", 1), nodeWith("edge-b", 1)];
const rare = deploymentOf("rare", { min: 0, max: 2 });
const often = deploymentOf("often", { min: 0, max: 2 });
const two = [often, rare];
/** Long enough on its node to make room. */
const settled = { decidedAt: NOW - 60 * MINUTE };

/** Each deployment wants as many replicas, and is asked so many times in a second. */
function demand(of: Readonly<Record<string, readonly [replicas: number, ratePerS: number]>>): PlanContext {
  const replicas = Object.fromEntries(Object.entries(of).map(([name, [count]]) => [name, count]));
  const ratesPerS = new Map(Object.entries(of).map(([name, [, ratePerS]]) => [name, ratePerS]));
  return { ...asking(replicas), ratesPerS };
}
const withGpu = ({ spec, ...of }: FleetDeployment): FleetDeployment => {
  const where = { matchLabels: { gpu: "true" }, matchExpressions: [] };
  return { ...of, spec: { ...spec, placement: { ...spec.placement, where } } };
};
const stepsOf = (fleet: Fleet, of: PlanContext) => describePlan(planFleet(fleet, of).steps);

describe("a replica beyond a minimum", () => {
  const needed = deploymentOf("needed", { min: 1 });

  it("makes room for a minimum of the same priority, however much it is asked, and both say so", () => {
    const fleet = fleetOf([a], [needed, often], [on(a, "often", settled)]);
    const of = demand({ often: [1, 100] });
    const plan = planFleet(fleet, of);
    expect(describePlan(plan.steps)).toEqual([
      "remove often:1 from edge-a: it makes room for needed, which has not its minimum, while often has more",
      "place needed:1 on edge-a",
    ]);
    const [record] = plan.decisions.get("needed")?.records ?? [];
    expect(record?.victims).toMatchObject([{ deployment: "often", reason: "minimum", priority: 0 }]);
    expect(record?.sentence).toContain(
      "often:1 of often (priority 0) leaves edge-a for it (priority 0, below its minimum)",
    );
    const told = withSteps(fleet, plan.steps, NOW);
    const after = planFleet(told, of).decisions.get("often");
    expect(after?.preempted).toEqual(["a replica left edge-a to make room for needed, which had not its minimum"]);
    const findings = after && deploymentFindings(told, often, { ...of, plan: after });
    expect(findings?.conditions.find(({ type }) => type === "Stalled")).toMatchObject({ reason: "Preempted" });
  });

  it("makes room though it is new, or came back soon: a minimum is declared, demand is not", () => {
    const fleet = fleetOf([a], [needed, often], [on(a, "often", { decidedAt: NOW })]);
    expect(stepsOf(fleet, demand({ often: [1, 100] }))).toHaveLength(2);
  });

  it("is not taken where another one of its deployment would be below the minimum", () => {
    const one = deploymentOf("often", { min: 1, max: 2 });
    expect(stepsOf(fleetOf([a], [needed, one], [on(a, "often", settled)]), demand({ often: [1, 100] }))).toEqual([]);
  });

  it("makes no room for a minimum of lower priority", () => {
    const low = deploymentOf("needed", { min: 1, priority: -1 });
    expect(stepsOf(fleetOf([a], [low, often], [on(a, "often", settled)]), demand({ often: [1, 1] }))).toEqual([]);
  });

  it("whose deployment is planned before takes nothing back in the same plan, and leaves once", () => {
    const shrinking = deploymentOf("a-first", { min: 0, max: 2 });
    const fleet = fleetOf([a], [shrinking, needed], [on(a, "a-first", settled)]);
    const steps = planFleet(fleet, demand({ "a-first": [0, 0] })).steps;
    expect(describePlan(steps)).toEqual([
      "remove a-first:1 from edge-a: more replicas than wanted (0)",
      "place needed:1 on edge-a",
    ]);
  });

  it("that comes by the plan itself makes room for nobody, though its deployment has another one where it may not stay", () => {
    const wide = nodeWith("edge-a", 2, { labels: { gpu: "true" } });
    const first = withGpu(deploymentOf("a-first", { min: 1 }));
    const second = withGpu(deploymentOf("b-second", { min: 1, memMiB: 2_000 }));
    const spare = deploymentOf("spare", { min: 0, max: 1, memMiB: 2_000 });
    const there = [on(wide, "spare", settled), on(b, "a-first", settled)];
    expect(stepsOf(fleetOf([wide, b], [first, second, spare], there), demand({ spare: [1, 1] }))).toEqual([
      "remove spare:1 from edge-a: it makes room for a-first, which has not its minimum, while spare has more",
      "place a-first:1 on edge-a",
    ]);
  });
});

describe("a replica that is asked more", () => {
  const fleet = fleetOf([a], two, [on(a, "rare", settled)]);

  it("takes the room of one that is asked much less, and the plan says by how much", () => {
    const plan = planFleet(fleet, demand({ rare: [1, 0.5], often: [1, 12] }));
    expect(describePlan(plan.steps)).toEqual([
      "remove rare:1 from edge-a: it makes room for often, of which 12/s are asked for each replica, and 0.5/s of it",
      "place often:1 on edge-a",
    ]);
    const [record] = plan.decisions.get("often")?.records ?? [];
    expect(record?.victims).toMatchObject([{ deployment: "rare", reason: "demand" }]);
    expect(record?.sentence).toContain("rare:1 of rare (0.5/s) leaves edge-a for it (12/s)");
  });

  it.each([
    ["when it is asked 1.5 times as much", { rare: [1, 8], often: [1, 12] }, 2],
    ["not when it is asked less than that", { rare: [1, 8.1], often: [1, 12] }, 0],
    ["not when its requests are shared by many", { rare: [1, 8], often: [2, 12] }, 0],
    ["not when nobody asks for either", { rare: [1, 0], often: [1, 0] }, 0],
  ] as const)("does so %s", (_, asked, steps) => {
    expect(stepsOf(fleet, demand(asked))).toHaveLength(steps);
  });

  it("has to be worth all that leave for it, and each of them for its memory", () => {
    const large = nodeWith("edge-a", 2);
    const wide = deploymentOf("often", { min: 0, max: 1, memMiB: 2_000 });
    const other = deploymentOf("other", { min: 0, max: 1 });
    const full = fleetOf([large], [wide, rare, other], [on(large, "rare", settled), on(large, "other", settled)]);
    expect(stepsOf(full, demand({ often: [1, 12], rare: [1, 2], other: [1, 2] }))).toHaveLength(3);
    expect(stepsOf(full, demand({ often: [1, 12], rare: [1, 4.5], other: [1, 0] }))).toEqual([]);
    expect(stepsOf(full, demand({ often: [1, 12], rare: [1, 4], other: [1, 4.1] }))).toEqual([]);
  });

  it("takes the room of what is asked least", () => {
    const other = deploymentOf("other", { min: 0, max: 1 });
    const both = fleetOf([a, b], [often, rare, other], [on(a, "rare", settled), on(b, "other", settled)]);
    expect(stepsOf(both, demand({ often: [1, 12], rare: [1, 2], other: [1, 1] }))[0]).toContain("other:1 from edge-b");
  });

  it("takes nothing of a higher priority, nor without figures of demand", () => {
    const high = deploymentOf("rare", { min: 0, max: 2, priority: 1 });
    expect(
      stepsOf(fleetOf([a], [often, high], [on(a, "rare", settled)]), demand({ rare: [1, 1], often: [1, 99] })),
    ).toEqual([]);
    expect(stepsOf(fleet, asking({ rare: 1, often: 1 }))).toEqual([]);
  });

  it("takes nothing in the first 5 minutes of a leader, which knows little of demand", () => {
    const asked = demand({ rare: [1, 0.5], often: [1, 12] });
    const led = (ms: number) => stepsOf(fleet, { ...asked, leaderSince: NOW - ms }).length;
    expect([led(5 * MINUTE - 1), led(5 * MINUTE)]).toEqual([0, 2]);
  });

  it("takes nothing of one that is on its node for less than 10 minutes", () => {
    const asked = demand({ rare: [1, 0.5], often: [1, 12] });
    const since = (ms: number) => fleetOf([a], two, [on(a, "rare", { decidedAt: NOW - ms })]);
    expect([stepsOf(since(10 * MINUTE - 1), asked).length, stepsOf(since(10 * MINUTE), asked).length]).toEqual([0, 2]);
  });

  it("changes places with nobody again when demand stays", () => {
    const asked = demand({ rare: [1, 2], often: [1, 12] });
    const rounds = [...whatIf(fleet, asked)];
    expect(rounds.map(({ plan }) => plan.steps.length)).toEqual([2, 0, 0]);
  });
});

describe("a version that comes back within 10 minutes after it made room", () => {
  const asked = demand({ rare: [1, 0.5], often: [1, 12] });
  const remembering = (node: FleetNode, agoMs: number): FleetNode => ({
    ...node,
    history: [{ model: "rare", version: 1, loadFailures: 0, attempt: undefined, evictedAt: NOW - agoMs }],
  });
  const returned = (decidedMs: number, evictedMs: number, node = a) =>
    fleetOf([node, remembering(b, evictedMs)], two, [on(node, "rare", { decidedAt: NOW - decidedMs }), on(b, "often")]);

  it("is said to thrash, and comes with a warning", () => {
    const plan = planFleet(fleetOf([a, remembering(b, 4 * MINUTE)], two), demand({ rare: [1, 3], often: [0, 0] }));
    const [record] = plan.decisions.get("rare")?.records ?? [];
    expect(record).toMatchObject({
      thrashing: true,
      sentence: expect.stringContaining("4 min ago, and now stays for 30 min"),
    });
    const [step] = plan.steps;
    expect(step).toMatchObject({ kind: "placement.create", record: { thrashing: true } });
  });

  it("is not said to thrash after that", () => {
    const plan = planFleet(fleetOf([a, remembering(b, 10 * MINUTE)], two), demand({ rare: [1, 3], often: [0, 0] }));
    expect(plan.decisions.get("rare")?.records[0]?.thrashing).toBeUndefined();
  });

  it("makes no room for 30 minutes, under another leader too: that follows from what is stored", () => {
    const more = { ...asked, targets: new Map([...(asked.targets ?? []), ["often", { edge: 2, cloud: 0 }]]) };
    const steps = (fleet: Fleet) => planFleet(fleet, more).steps.length;
    expect(steps(returned(29 * MINUTE, 35 * MINUTE))).toBe(0);
    expect(steps(returned(30 * MINUTE, 36 * MINUTE))).toBe(2);
    expect(steps(returned(29 * MINUTE, 39 * MINUTE))).toBe(2); // it came back after 10 minutes
    expect(steps(returned(29 * MINUTE, 20 * MINUTE))).toBe(2); // it came back before
  });
});

it("a plan that was given the same fleet and demand is the same", () => {
  const fleet = fleetOf([a, b], [...two, deploymentOf("needed", { min: 1 })], [on(a, "rare", settled), on(b, "often")]);
  const of = demand({ rare: [1, 1], often: [2, 40] });
  expect(planFleet(fleet, of)).toEqual(planFleet(fleet, of));
  expect(context.ratesPerS).toBeUndefined();
});
