import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { Demand } from "../../../../../control-plane/core/scaling/demand.ts";
import { PeakHold } from "../../../../../control-plane/core/scaling/peak-hold.ts";
import { ReplicaScaling } from "../../../../../control-plane/core/scaling/replica-targets.ts";
import type { FleetDeployment } from "../../../../../control-plane/core/fleet/types.ts";
import type { DeploymentFindings } from "../../../../../shared/api/v1/deployments/deployments.ts";
import {
  aDeployment,
  aFleet,
  aNode,
  aPlacement,
  aVersion,
  NOW,
  TIMINGS,
} from "../../../../support/fleet/fleet-builder.ts";

const HOLD_MS = 60_000;
const edge = aNode("edge-a");
type Counts = { readonly min?: number; readonly max?: number };

const digits = (cloud: Counts, over: { edge?: Counts; recorded?: number } = {}): FleetDeployment =>
  aDeployment(
    { name: "digits", model: "digits", version: 1, placement: { edge: over.edge ?? {}, cloud } },
    over.recorded === undefined ? {} : { status: { observedGeneration: 1, at: 0, findings: findings(over.recorded) } },
  );

const findings = (cloud: number): DeploymentFindings => ({
  conditions: [],
  activeVersion: 1,
  targetVersion: 1,
  edge: { wanted: 0, placed: 0, ready: 0 },
  cloud: { wanted: cloud, placed: cloud, ready: cloud },
  unplaced: [],
});

/** The calendar goes as the fleet's clock does. */
const timeAt = (ms: number) => ({ now: NOW + ms, wallNow: 1_800_000_000_000 + ms, timings: TIMINGS });

/** 100 ms each: 1/s asks for 1 replica, 10/s for 3, 30/s for 6. */
const ofRate = (ratePerS: number): ReadonlyMap<string, Demand> =>
  new Map(ratePerS === 0 ? [] : [["digits", { ratePerS, serviceMs: 100, waiting: 0, slots: 1 }]]);

/** The targets after each demand, `seconds` after the start. */
function targetsOver(
  deployment: FleetDeployment,
  steps: readonly (readonly [seconds: number, ratePerS: number])[],
  isEdgeReady = false,
) {
  const scaling = new ReplicaScaling(HOLD_MS);
  const placements = isEdgeReady ? [aPlacement(edge)] : [];
  const fleet = aFleet({ nodes: [edge], versions: [aVersion("digits", 1)], deployments: [deployment], placements });
  return steps.map(([seconds, rate]) => scaling.update(fleet, ofRate(rate), timeAt(seconds * 1_000)).get("digits"));
}

describe("the number of replicas that demand asks for", () => {
  it("grows at once and shrinks to the largest of the last minute", () => {
    const clouds = targetsOver(digits({ min: 1, max: 8 }), [
      [0, 0],
      [1, 30],
      [2, 10],
      [60, 1],
      [61, 1],
      [62, 1],
      [121, 0],
    ]);
    expect(clouds.map((each) => each?.cloud)).toEqual([1, 6, 6, 6, 3, 1, 1]);
  });

  it.each([
    ["at least min", { min: 2, max: 8 }, 0, 2],
    ["at most max", { min: 0, max: 4 }, 30, 4],
    ["none without demand where min is 0", { min: 0, max: 4 }, 0, 0],
    ["none while max is 0", { min: 0, max: 0 }, 30, 0],
  ])("is %s", (_, counts, rate, expected) => {
    expect(targetsOver(digits(counts), [[0, rate]])[0]?.cloud).toBe(expected);
  });

  it("does not shrink for 30 minutes when it grew again within 10 minutes of shrinking", () => {
    const clouds = targetsOver(digits({ min: 1, max: 8 }), [
      [0, 30],
      [70, 10],
      [140, 10],
      [200, 30],
      [300, 10],
      [1_900, 10],
      [2_001, 10],
      [2_070, 10],
    ]).map((target) => target?.cloud);
    expect(clouds).toEqual([6, 3, 3, 6, 6, 6, 3, 3]);
  });

  it.each([
    [
      "grows again later than that",
      [
        [0, 30],
        [70, 10],
        [700, 30],
        [770, 10],
      ],
      [6, 3, 6, 3],
    ],
    [
      "shrank to none",
      [
        [0, 30],
        [70, 0],
        [80, 30],
        [150, 0],
      ],
      [6, 0, 6, 0],
    ],
  ] as const)("shrinks as ever where it %s", (_, steps, expected) => {
    expect(targetsOver(digits({ max: 8 }), steps).map((target) => target?.cloud)).toEqual(expected);
  });

  it("does not take a minimum that is raised and lowered for thrashing", () => {
    const scaling = new ReplicaScaling(HOLD_MS);
    const numbers = [1, 4, 1, 4, 1].map((min, at) => {
      const fleet = aFleet({
        nodes: [edge],
        versions: [aVersion("digits", 1)],
        deployments: [digits({ min, max: 8 })],
      });
      return scaling.update(fleet, ofRate(1), timeAt(at * 70_000)).get("digits")?.cloud;
    });
    expect(numbers).toEqual([1, 4, 1, 4, 1]);
  });

  it("begins with what is recorded, so that a new leader takes nothing away for a minute", () => {
    const clouds = targetsOver(digits({ min: 0, max: 8 }, { recorded: 5 }), [
      [0, 1],
      [59, 1],
      [61, 1],
    ]);
    expect(clouds.map((each) => each?.cloud)).toEqual([5, 5, 1]);
  });

  it("is the edge's first: the cloud has what edge replicas that serve do not take", () => {
    const both = digits({ min: 0, max: 8 }, { edge: { min: 1, max: 2 } });
    expect(targetsOver(both, [[0, 30]])[0]).toEqual({ edge: 2, cloud: 6 });
    expect(targetsOver(both, [[0, 30]], true)[0]).toEqual({ edge: 2, cloud: 5 });
    expect(targetsOver(both, [[0, 1]], true)[0]).toEqual({ edge: 1, cloud: 0 });
  });

  it("is left alone where it is fixed, on each node, or against the residency", () => {
    const fixed = aDeployment({
      name: "digits",
      model: "digits",
      version: 1,
      placement: { cloud: { min: 2 }, edge: { every: true } },
    });
    const resident = aDeployment({
      name: "digits",
      model: "digits",
      version: 1,
      placement: { residency: "edge-only", edge: { min: 1 } },
    });
    expect(targetsOver(fixed, [[0, 30]])).toEqual([undefined]);
    expect(targetsOver(resident, [[0, 30]])).toEqual([undefined]);
  });

  it("is the same object while nothing changes, so that no plan is made anew for it", () => {
    const scaling = new ReplicaScaling(HOLD_MS);
    const fleet = aFleet({ deployments: [digits({ min: 1, max: 8 })] });
    const at = (seconds: number, rate: number) => scaling.update(fleet, ofRate(rate), timeAt(seconds * 1_000));
    const first = at(0, 10);
    expect(at(1, 10.2)).toBe(first);
    expect(at(2, 30)).not.toBe(first);
  });

  it("keeps the most workers of the last while, of deployments with a fixed number of replicas too", () => {
    const scaling = new ReplicaScaling(HOLD_MS);
    const placement = { cloud: { min: 2 } };
    const fleet = aFleet({ deployments: [aDeployment({ name: "digits", model: "digits", version: 1, placement })] });
    const at = (seconds: number, rate: number): number => {
      scaling.update(fleet, ofRate(rate), timeAt(seconds * 1_000));
      return scaling.workersOf("digits");
    };
    const busy = at(0, 30);
    expect(busy).toBeGreaterThan(1);
    expect([at(30, 0), at(59, 0), at(61, 0)]).toEqual([busy, busy, 0]);
    expect(at(62, 30)).toBe(busy);
    scaling.reset();
    expect(scaling.workersOf("digits")).toBe(0);
    expect(at(63, 0)).toBe(0);
  });

  it("says why, with the demand", () => {
    const scaling = new ReplicaScaling(HOLD_MS);
    const demands = new Map([["digits", { ratePerS: 37.2, serviceMs: 12.3, waiting: 0, slots: 1 }]]);
    scaling.update(aFleet({ deployments: [digits({ max: 8 })] }), demands, timeAt(0));
    expect(scaling.reasonFor("digits")).toBe("demand 37/s, service time 12 ms → 2 replicas");
    expect(scaling.reasonFor("quiet")).toBe("demand 0/s → 0 replicas");
  });
});

describe("the largest value of the last while", () => {
  it("is what comparing all of them says", () => {
    const sample = fc.record({ value: fc.nat(20), afterMs: fc.nat(40_000) });
    const property = fc.property(fc.array(sample, { maxLength: 30 }), (samples) => {
      const hold = new PeakHold(HOLD_MS);
      const past: { at: number; value: number }[] = [];
      let now = 0;
      return samples.every(({ value, afterMs }) => {
        now += afterMs;
        past.push({ at: now, value });
        const kept = past.filter(({ at }) => at > now - HOLD_MS);
        return hold.add(value, now) === Math.max(...kept.map((each) => each.value));
      });
    });
    expect(fc.check(property).counterexample).toBeNull();
  });
});

describe("a number of replicas that fell and rose too soon", () => {
  const MINUTE = 60_000;
  const at = (scaling: ReplicaScaling, deployment: FleetDeployment, of: { minute: number; rate: number }) =>
    scaling.update(aFleet({ deployments: [deployment] }), ofRate(of.rate), timeAt(of.minute * MINUTE)).get("digits")
      ?.cloud;
  const thrashed = () => {
    const scaling = new ReplicaScaling(HOLD_MS);
    const numbers = [30, 10, 30].map((rate, step) => at(scaling, digits({ max: 8 }), { minute: 2 * step, rate }));
    expect(numbers).toEqual([6, 3, 6]);
    return scaling;
  };

  it("is kept for 30 minutes by the next leader too, who reads it with the status", () => {
    const record = thrashed().memoryOf("digits");
    const status = { observedGeneration: 1, at: 0, findings: { ...findings(6), ...(record && { scaling: record }) } };
    const deployment = { ...digits({ max: 8 }), status };
    const next = new ReplicaScaling(HOLD_MS);
    expect(at(next, deployment, { minute: 5, rate: 1 })).toBe(6);
    expect(next.isThrashing("digits", "cloud", timeAt(5 * MINUTE).wallNow)).toBe(true);
    expect(at(next, deployment, { minute: 33, rate: 1 })).toBe(6);
    expect(at(next, deployment, { minute: 35, rate: 1 })).toBe(1);
  });

  it("is also found by a leader that was not there when the number fell", () => {
    const scaling = new ReplicaScaling(HOLD_MS);
    expect([30, 10].map((rate, step) => at(scaling, digits({ max: 8 }), { minute: 2 * step, rate }))).toEqual([6, 3]);
    const record = scaling.memoryOf("digits");
    expect(record).toEqual({ cloud: { fellAt: expect.any(String) } });
    const status = { observedGeneration: 1, at: 0, findings: { ...findings(3), ...(record && { scaling: record }) } };
    const next = new ReplicaScaling(HOLD_MS);
    expect(at(next, { ...digits({ max: 8 }), status }, { minute: 4, rate: 30 })).toBe(6);
    expect(next.isThrashing("digits", "cloud", timeAt(4 * MINUTE).wallNow)).toBe(true);
  });

  it("is recorded no longer than it says something: 10 minutes after the fall, or while a number is kept", () => {
    const fell = new ReplicaScaling(HOLD_MS);
    for (const [step, rate] of [30, 10].entries()) at(fell, digits({ max: 8 }), { minute: 2 * step, rate });
    at(fell, digits({ max: 8 }), { minute: 11, rate: 10 });
    expect(fell.memoryOf("digits")).toBeDefined();
    at(fell, digits({ max: 8 }), { minute: 12, rate: 10 });
    expect(fell.memoryOf("digits")).toBeUndefined();

    const kept = thrashed();
    at(kept, digits({ max: 8 }), { minute: 33, rate: 30 });
    expect(kept.memoryOf("digits")).toEqual({ cloud: { fellAt: expect.any(String), keptUntil: expect.any(String) } });
    at(kept, digits({ max: 8 }), { minute: 34, rate: 30 });
    expect(kept.memoryOf("digits")).toBeUndefined();
  });

  it("has nothing recorded while it only grows", () => {
    const scaling = new ReplicaScaling(HOLD_MS);
    at(scaling, digits({ max: 8 }), { minute: 0, rate: 1 });
    at(scaling, digits({ max: 8 }), { minute: 1, rate: 30 });
    expect(scaling.memoryOf("digits")).toBeUndefined();
  });
});
