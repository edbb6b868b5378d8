import { describe, expect, it } from "@jest/globals";
import type { Demand } from "../../../../../control-plane/core/scaling/demand.ts";
import { DemandForecast } from "../../../../../control-plane/core/scaling/demand-forecast.ts";
import type { ObservedPod, Pool } from "../../../../../control-plane/core/scaling/pool.ts";
import { PoolStarts } from "../../../../../control-plane/core/scaling/pool-starts.ts";
import { ReplicaScaling } from "../../../../../control-plane/core/scaling/replica-targets.ts";
import { RisingRates } from "../../../../../control-plane/core/scaling/rising-rates.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { aDeployment, aFleet, aNode, NOW, TIMINGS } from "../../../../support/fleet/fleet-builder.ts";

type Rate = (second: number) => number;

/** What is said of a rate that was looked at each second, in the last of them. */
function slopeAfter(seconds: number, rate: Rate): number {
  const rising = new RisingRates();
  let slope = 0;
  for (let second = 0; second <= seconds; second += 1)
    slope = rising.update(new Map([["digits", { ratePerS: rate(second) }]]), second * 1_000).get("digits") ?? 0;
  return slope;
}

const aPool = (pods: readonly Partial<ObservedPod>[], over: Partial<Pool> = {}): Pool => ({
  name: "default",
  min: 0,
  max: 10,
  site: "cloud",
  replicas: pods.length,
  pods: pods.map((pod, at) => ({ name: `pod-${at}`, state: "running", trouble: undefined, createdAt: 0, ...pod })),
  labels: {},
  memMiB: 4_000,
  cpus: 4,
  trouble: undefined,
  ...over,
});

describe("a rate", () => {
  it.each([
    ["that goes on rising has its slope", 20, (at: number) => 10 * at, 10],
    ["that rises ever faster has the slope of the part in which it rose least", 12, (at: number) => at * at, 4],
    ["that rises for less than 12 s does not rise yet", 11, (at: number) => 10 * at, 0],
    ["that jumps does not rise", 20, (at: number) => (at < 15 ? 100 : 900), 0],
    ["that takes 3 s to jump does not rise", 20, (at: number) => 100 + 300 * Math.min(3, Math.max(0, at - 11)), 0],
    ["that falls does not rise", 20, (at: number) => 500 - at, 0],
  ] as const)("%s", (_, seconds, rate, slope) => {
    expect(slopeAfter(seconds, rate)).toBeCloseTo(slope);
  });

  it("that is the same but for noise seldom rises, and then by little", () => {
    const random = seededRandom(3);
    const noisy = Array.from({ length: 2_000 }, () => 100 + 20 * (random.next() - 0.5));
    const slopes = Array.from({ length: 1_900 }, (_, at) => slopeAfter(20, (second) => noisy[at + second] ?? 0));
    expect(slopes.filter((slope) => slope > 0).length).toBeLessThan(0.1 * slopes.length);
    expect(Math.max(...slopes)).toBeLessThan(2);
  });

  it("that nobody looked at meanwhile does not rise", () => {
    const rising = new RisingRates();
    rising.update(new Map([["digits", { ratePerS: 1 }]]), 0);
    expect(rising.update(new Map([["digits", { ratePerS: 900 }]]), 60_000).size).toBe(0);
  });
});

describe("the start of a node of a pool", () => {
  it("takes from when it is seen first until it is ready, smoothed", () => {
    const starts = new PoolStarts();
    const ready = new Set<string>();
    const see = (now: number, ...pods: readonly Partial<ObservedPod>[]): number | undefined => {
      starts.update([aPool(pods)], (pod) => ready.has(pod), now);
      return starts.of("default");
    };
    expect(see(0, { state: "pending" })).toBeUndefined();
    expect(see(20_000, {})).toBeUndefined();
    ready.add("pod-0");
    expect(see(30_000, {})).toBe(30_000);
    expect(see(31_000, {}, { state: "pending" })).toBe(30_000);
    ready.add("pod-1");
    expect(see(41_000, {}, {})).toBe(24_000);
  });

  it("is not measured by a node that was ready when it was seen first, was away, or goes", () => {
    const starts = new PoolStarts();
    const see = (now: number, state: ObservedPod["state"], isReady: boolean) =>
      starts.update([aPool([{ state }])], () => isReady, now);
    see(0, "running", true);
    see(1_000, "running", false);
    see(9_000, "running", true);
    see(10_000, "ending", true);
    expect(starts.of("default")).toBeUndefined();
  });
});

describe("a demand that rises", () => {
  const deployment = aDeployment({
    name: "digits",
    model: "digits",
    version: 1,
    placement: { edge: {}, cloud: { max: 50 } },
  });
  const pod = aNode("pod-0", { kind: "cloud", site: "cloud" });
  const demandAt = (second: number): Demand => ({ ratePerS: 100 + 10 * second, serviceMs: 100, waiting: 0, slots: 10 });

  /** After 30 s, in which a pod came that was ready after 20 s. */
  function after({ of = deployment, pools = [aPool([{}])] }: { of?: typeof deployment; pools?: readonly Pool[] } = {}) {
    const forecast = new DemandForecast();
    const scaling = new ReplicaScaling(60_000);
    let cloud: number | undefined;
    for (let second = 0; second <= 30; second += 1) {
      const fleet = aFleet({ nodes: second < 20 ? [] : [pod], deployments: [of] });
      const time = { now: NOW + (second - 30) * 1_000, wallNow: second * 1_000, timings: TIMINGS };
      const demands = new Map([["digits", demandAt(second)]]);
      const expected = forecast.update(fleet, demands, { ...time, pools });
      cloud = scaling.update(fleet, demands, { ...time, expected }).get("digits")?.cloud;
    }
    return { cloud, reason: scaling.reasonFor("digits"), workers: scaling.workersOf("digits") };
  }

  it("has as many cloud replicas as it will ask for when a new node is ready", () => {
    const { cloud, reason, workers } = after();
    expect([cloud, Math.round(workers)]).toEqual([8, 72]);
    expect(reason).toBe(
      "demand 400/s, service time 100 ms → 5 replicas; it rises, to 600/s when a new cloud node is ready in 20 s → 8 replicas",
    );
  });

  it.each([
    ["no start has been measured", { pools: [aPool([])] }],
    ["no pool is for the deployment", { pools: [aPool([{}], { site: "elsewhere" })], of: onlyAt("cloud") }],
    ["the number of its cloud replicas is fixed", { of: withCloud({ min: 3 }) }],
  ])("has what it asks for now while %s", (_, over) => {
    expect(after(over).reason).toBe("demand 400/s, service time 100 ms → 5 replicas");
  });

  function withCloud(cloud: object, where: object = {}) {
    return aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: {}, cloud, where } });
  }

  function onlyAt(site: string) {
    return withCloud({ max: 50 }, { matchLabels: { site } });
  }
});
