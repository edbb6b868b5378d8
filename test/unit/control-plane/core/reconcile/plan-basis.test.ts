import { describe, expect, it } from "@jest/globals";
import { planFleet } from "../../../../../control-plane/core/reconcile/plan.ts";
import { basisOf, holds } from "../../../../../control-plane/core/reconcile/plan-basis.ts";
import { describePlan } from "../../../../../control-plane/core/reconcile/steps.ts";
import type { PlanContext } from "../../../../../control-plane/core/scheduling/context.ts";
import type { Fleet } from "../../../../../control-plane/core/fleet/types.ts";
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

const context: PlanContext = { now: NOW, timings: TIMINGS, trigger: "test" };
const deployments = [aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 2 } } })];
const versions = [aVersion("digits", 1)];
const [a, b] = [aNode("edge-a"), aNode("edge-b")];
const placements = [aPlacement(a), aPlacement(b)];
const complete = aFleet({ nodes: [a, b], deployments, versions, placements });

const holdsAfter = (fleet: Fleet, ms: number, first: PlanContext = context): boolean =>
  holds(basisOf(fleet, planFleet(fleet, first), first), fleet, { ...first, now: first.now + ms });

describe("the basis of a plan", () => {
  it("holds while nothing changes", () => {
    expect(holdsAfter(complete, 10_000)).toBe(true);
  });

  it("does not hold for another revision of the fleet, nor for another leadership", () => {
    const basis = basisOf(complete, planFleet(complete, context), context);
    expect(holds(basis, { ...complete, revision: complete.revision + 1 }, context)).toBe(false);
    expect(holds(basis, complete, { ...context, leaderSince: NOW })).toBe(false);
  });

  it("ends after 30 s in any case", () => {
    const fleet = aFleet({ nodes: [aNode("edge-a", { session: undefined })], deployments: [], versions });
    expect(holdsAfter(fleet, 29_999)).toBe(true);
    expect(holdsAfter(fleet, 30_000)).toBe(false);
  });

  it.each([
    ["suspect", 14_000, TIMINGS.suspectMs],
    ["lost", 59_000, TIMINGS.lostMs],
  ])("ends when silence makes a node %s", (_state, silentMs, limitMs) => {
    const silent = aNode("edge-a", { observed: { lastSeen: NOW - silentMs, confirmedHeartbeats: 2 } });
    const fleet = { ...complete, nodes: new Map([silent, b].map((node) => [node.id as string, node])) };
    expect(holdsAfter(fleet, limitMs - silentMs)).toBe(true);
    expect(holdsAfter(fleet, limitMs - silentMs + 1)).toBe(false);
  });

  it("ends when a new leader may declare nodes lost", () => {
    const fleet = aFleet({ nodes: [aSilentNode("edge-a", 90_000), b], deployments, versions, placements });
    const young = { ...context, leaderSince: NOW - 59_000 };
    expect(holdsAfter(fleet, 999, young)).toBe(true);
    expect(holdsAfter(fleet, 1_000, young)).toBe(false);
  });

  it("ends when a failed placement may be retried", () => {
    const failed = aPlacement(a, { state: "failed", stateSince: NOW - 15 * 60_000 + 2_000 });
    const fleet = aFleet({ nodes: [a, b], deployments, versions, placements: [failed, aPlacement(b)] });
    expect(holdsAfter(fleet, 1_999)).toBe(true);
    expect(holdsAfter(fleet, 2_000)).toBe(false);
  });

  it("ends after 5 s while a replica cannot be placed, because load reports change what fits", () => {
    const fleet = aFleet({ nodes: [a], deployments, versions, placements: [aPlacement(a)] });
    expect(holdsAfter(fleet, 4_999)).toBe(true);
    expect(holdsAfter(fleet, 5_000)).toBe(false);
  });

  it("never holds when another plan would be made", () => {
    const failed = aPlacement(b, { state: "failed", stateSince: NOW - 14 * 60_000 });
    const nodes = [aSilentNode("edge-a", 12_000), b, aNode("edge-c")];
    const fleet = aFleet({ nodes, deployments, versions, placements: [aPlacement(a), failed] });
    const first = planFleet(fleet, context);
    const basis = basisOf(fleet, first, context);
    const times = Array.from({ length: 240 }, (_, index) => ({ ...context, now: NOW + index * 500 }));
    const others = times.filter(
      (later) => describePlan(planFleet(fleet, later).steps).join() !== describePlan(first.steps).join(),
    );
    expect(others.length).toBeGreaterThan(0);
    expect(others.filter((later) => holds(basis, fleet, later))).toEqual([]);
  });
});
