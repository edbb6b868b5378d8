import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { expectedMs, type RouteCandidate } from "../../../../control-plane/core/route/estimate.ts";
import { candidateSet } from "../../../../control-plane/core/route/candidate-set.ts";
import { pick as pickFrom, type Pick, type PickContext } from "../../../../control-plane/core/route/pick.ts";
import { PlacementStats } from "../../../../control-plane/core/route/placement-stats.ts";
import { seededRandom } from "../../../../shared/random.ts";

const NOW = 50_000;

interface Shape {
  readonly rttMs?: number;
  readonly meanMs?: number;
  readonly slots?: number;
  readonly rif?: number;
  readonly kind?: "edge" | "cloud";
  readonly cost?: number;
}

function candidate(
  node: string,
  { rttMs = 1, meanMs = 10, slots = 1, rif = 0, kind = "edge", cost = kind === "edge" ? 0 : 1 }: Shape = {},
): RouteCandidate {
  const stats = new PlacementStats();
  stats.report({ rif, slots, meanUs: meanMs * 1_000, p95Us: meanMs * 2_000 }, NOW);
  return { placementId: `p-${node}`, nodeId: `n-${node}`, node, kind, cost, rttMs, warmUs: 0, stats };
}

type Context = PickContext<RouteCandidate>;

const context = (over: Partial<Context> = {}): Context => ({
  now: NOW,
  random: seededRandom(7),
  routers: 1,
  timeLeftMs: 30_000,
  mayTake: () => true,
  prefer: undefined,
  sloMs: undefined,
  ...over,
});

const pick = (candidates: readonly RouteCandidate[], how: Context): Pick<RouteCandidate> =>
  pickFrom(candidateSet(candidates, how.now), how);

function failTimes(stats: PlacementStats, count: number): void {
  for (let failure = 0; failure < count; failure += 1) {
    stats.begin();
    stats.failed(NOW);
  }
}

describe("expectedMs", () => {
  it.each([
    ["an idle placement", { rttMs: 4, meanMs: 10 }, 14],
    ["one request of somebody else in front", { rttMs: 4, meanMs: 10, rif: 1 }, 24],
    ["a free second slot", { rttMs: 4, meanMs: 10, rif: 1, slots: 2 }, 14],
    ["both slots taken and one waiting", { rttMs: 0, meanMs: 10, rif: 3, slots: 2 }, 20],
  ])("counts round trip, queue and service of %s", (_name, shape, expected) => {
    expect(expectedMs(candidate("a", shape), { now: NOW, routers: 1 })).toBeCloseTo(expected, 6);
  });

  it("believes its own count at once and an old report less and less", () => {
    const busy = candidate("a", { rttMs: 0, meanMs: 10, rif: 10 });
    expect(expectedMs(busy, { now: NOW, routers: 1 })).toBeCloseTo(110, 6);
    expect(expectedMs(busy, { now: NOW + 3_000, routers: 1 })).toBeLessThan(12);
    busy.stats.begin();
    busy.stats.begin();
    expect(expectedMs(busy, { now: NOW + 60_000, routers: 1 })).toBeGreaterThanOrEqual(29);
  });
});

describe("pick", () => {
  it("takes the placement that answers soonest", () => {
    const choice = pick([candidate("far", { rttMs: 40 }), candidate("near", { rttMs: 1 })], context());
    expect(choice).toMatchObject({ kind: "picked", reason: "least-eta", candidate: { node: "near" }, considered: 2 });
  });

  it("takes a near node with a queue only while that is sooner", () => {
    const near = candidate("near", { rttMs: 1, rif: 5 });
    expect(pick([near, candidate("far", { rttMs: 40 })], context())).toMatchObject({ candidate: { node: "far" } });
  });

  it("spreads near ties by capacity", () => {
    const random = seededRandom(3);
    const counts = { big: 0, small: 0 };
    const candidates = [candidate("big", { slots: 3 }), candidate("small", { slots: 1 })];
    for (let request = 0; request < 4_000; request += 1) {
      const choice = pick(candidates, context({ random }));
      if (choice.kind === "picked") counts[choice.candidate.node as "big" | "small"] += 1;
    }
    expect(counts.big / counts.small).toBeCloseTo(3, 0);
  });

  it("says so when there is only one, and when the caller's wish decided", () => {
    expect(pick([candidate("a")], context())).toMatchObject({ reason: "only" });
    const both = [candidate("edge"), candidate("cloud", { kind: "cloud", rttMs: 40 })];
    expect(pick(both, context({ prefer: "cloud" }))).toMatchObject({
      reason: "preferred",
      candidate: { node: "cloud" },
    });
  });

  it("never refuses for a wish that nobody meets", () => {
    expect(pick([candidate("a")], context({ prefer: "cloud" }))).toMatchObject({ kind: "picked" });
  });

  it("refuses when nobody is left, and when nobody answers in time", () => {
    expect(pick([candidate("a")], context({ mayTake: () => false }))).toEqual({
      kind: "refused",
      reason: "none-ready",
      considered: 0,
    });
    expect(pick([candidate("a", { meanMs: 500 })], context({ timeLeftMs: 100 }))).toEqual({
      kind: "refused",
      reason: "late",
      considered: 1,
    });
  });

  it("avoids a placement that just failed, but never refuses because of it", () => {
    const [flaky, sound] = [candidate("flaky"), candidate("sound", { rttMs: 900 })];
    failTimes(flaky.stats, 1);
    expect(pick([flaky, sound], context())).toMatchObject({ candidate: { node: "sound" } });
    expect(pick([flaky], context({ timeLeftMs: 1_000 }))).toMatchObject({ candidate: { node: "flaky" } });
    expect(pick([flaky, sound], context({ now: NOW + 100_000 }))).toMatchObject({ candidate: { node: "flaky" } });
  });

  it("leaves out an ejected placement for 30 s, and lets it back", () => {
    const [sick, well] = [candidate("sick"), candidate("well", { rttMs: 500 })];
    failTimes(sick.stats, 5);
    expect(pick([sick, well], context())).toMatchObject({ candidate: { node: "well" }, considered: 1 });
    expect(pick([sick, well], context({ now: NOW + 30_001 }))).toMatchObject({ considered: 2 });
  });

  it("ignores ejection when more than half of the capacity would be out", () => {
    const candidates = [candidate("a"), candidate("b"), candidate("c")];
    for (const { stats } of candidates.slice(0, 2)) failTimes(stats, 5);
    expect(pick(candidates, context())).toMatchObject({ kind: "picked", considered: 3 });
  });

  it("picks only from those it was given, and the same for the same seed", () => {
    const shape = fc.record({
      rttMs: fc.integer({ min: 0, max: 100 }),
      meanMs: fc.integer({ min: 1, max: 100 }),
      slots: fc.integer({ min: 1, max: 8 }),
      rif: fc.integer({ min: 0, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(shape, { minLength: 1, maxLength: 100 }), fc.integer(), (shapes, seed) => {
        const candidates = shapes.map((each, index) => candidate(`n${index}`, each));
        const once = pick(candidates, context({ random: seededRandom(seed) }));
        const again = pick(candidates, context({ random: seededRandom(seed) }));
        expect(again).toEqual(once);
        expect(once.kind).toBe("picked");
        if (once.kind === "picked") expect(candidates).toContain(once.candidate);
      }),
    );
  });
});
