import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { refusalOf } from "../../../../../edge-node/core/admission.ts";
import { expectedMs, type RouteCandidate } from "../../../../../control-plane/core/routing/estimate.ts";
import { candidateSet } from "../../../../../control-plane/core/routing/candidate-set.ts";
import { pick as pickFrom, type Pick, type PickContext } from "../../../../../control-plane/core/routing/pick.ts";
import { stableHash } from "../../../../../control-plane/core/hash.ts";
import { PlacementStats } from "../../../../../control-plane/core/routing/placement-stats.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";

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
    stats.begin(NOW);
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
    expect(expectedMs(candidate("a", shape), { now: NOW })).toBeCloseTo(expected, 6);
  });

  it("believes its own count at once and an old report of the node's own callers less and less", () => {
    const busy = candidate("a", { rttMs: 0, meanMs: 10, rif: 10 });
    expect(expectedMs(busy, { now: NOW })).toBeCloseTo(110, 6);
    expect(expectedMs(busy, { now: NOW + 3_000 })).toBeLessThan(12);
    busy.stats.begin(NOW);
    busy.stats.begin(NOW);
    expect(expectedMs(busy, { now: NOW + 60_000 })).toBeCloseTo(30, 6);
  });

  it("takes its own requests as worked off while ours travels, and those of the node's own callers as followed by more", () => {
    const ours = candidate("a", { rttMs: 40, meanMs: 10 });
    for (let count = 0; count < 10; count += 1) ours.stats.begin(NOW);
    const theirs = candidate("b", { rttMs: 40, meanMs: 10, rif: 10 });
    expect(expectedMs(theirs, { now: NOW })).toBeCloseTo(150, 6);
    // Ten under way: of 130 ms a sixth and more is the way back, and 20 ms of the rest are run before ours arrives.
    expect(expectedMs(ours, { now: NOW })).toBeLessThan(120);
    expect(expectedMs(ours, { now: NOW })).toBeGreaterThan(100);
  });

  it("does not suppose what no report has said lately: a request is refused for what is known", () => {
    const busy = candidate("a", { rttMs: 0, meanMs: 10, rif: 10 });
    expect(expectedMs(busy, { now: NOW + 3_000 })).toBeLessThan(12);
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

  it("prefers another to one that its own callers keep busy, also long after the last report, until they have gone", () => {
    const [busy, other] = [candidate("busy", { rttMs: 1 }), candidate("other", { rttMs: 10 })];
    const figures = (rif: number) => ({ rif, slots: 1, meanUs: 10_000, p95Us: 20_000 });
    const choose = (at: number, timeLeftMs = 30_000) => pick([busy, other], context({ now: at, timeLeftMs }));
    let now = NOW;
    // Four or none, in turn: two on average, whatever the newest report says.
    for (let report = 0; report < 100; report += 1) busy.stats.report(figures(report % 2 === 0 ? 4 : 0), (now += 100));
    expect(choose(now)).toMatchObject({ candidate: { node: "busy" } });
    expect(choose(now + 3_000)).toMatchObject({ candidate: { node: "other" } });
    expect(choose(now + 3_000, 15)).toMatchObject({ candidate: { node: "busy" } });
    for (let report = 0; report < 12; report += 1) busy.stats.report(figures(0), (now += 1_000));
    expect(choose(now + 3_000)).toMatchObject({ candidate: { node: "busy" } });
  });

  it("sends the requests of one session to one replica, and sessions to all", () => {
    const all = ["a", "b", "c", "d"].map((node) => candidate(node, { slots: 4, meanMs: 100 }));
    const homes = new Map<number, string>();
    for (let request = 0; request < 200; request += 1) {
      const session = request % 20;
      const choice = pick(all, context({ session, random: seededRandom(request) }));
      if (choice.kind !== "picked") throw new Error(choice.kind);
      expect(choice.reason).toBe("affinity");
      expect(homes.get(session) ?? choice.candidate.node).toBe(choice.candidate.node);
      homes.set(session, choice.candidate.node);
    }
    expect(new Set(homes.values()).size).toBe(4);
  });

  it("sends a session elsewhere while its replica has more than its part of the requests, or is late by more than its cache saves", () => {
    const homeOf = (all: readonly RouteCandidate[]): string => {
      const choice = pick(all, context({ session: 5 }));
      return choice.kind === "picked" ? choice.candidate.node : choice.kind;
    };
    const names = ["a", "b", "c", "d"];
    const home = homeOf(names.map((node) => candidate(node, { slots: 4, meanMs: 100 })));
    const busy = names.map((node) => candidate(node, { slots: 4, meanMs: 100, rif: node === home ? 4 : 1 }));
    expect(homeOf(busy)).not.toBe(home);
    const far = (rttMs: number) =>
      names.map((node) => candidate(node, { slots: 4, meanMs: 100, rttMs: node === home ? rttMs : 1 }));
    expect(homeOf(far(90))).toBe(home);
    expect(homeOf(far(300))).not.toBe(home);
  });

  it("expects of a text what its prompt and an answer as long as the last ones take", () => {
    const [quick, slow] = [candidate("quick", { slots: 4 }), candidate("slow", { slots: 4 })];
    const run = { bytes: 400, promptTokens: 100, cachedTokens: 0, outputTokens: 11 };
    quick.stats.pace.add({ ...run, firstMs: 100, restMs: 100 });
    slow.stats.pace.add({ ...run, firstMs: 50, restMs: 1_000 });
    const choice = pick([quick, slow], context({ textBytes: 4_000 }));
    // Its first token would come later, its last one sooner.
    expect(choice).toMatchObject({ candidate: { node: "quick" }, etaMs: expect.closeTo(1 + 1_000 + 100, 3) });
    expect(expectedMs(slow, { now: NOW, textBytes: 4_000 })).toBeCloseTo(501, 3);
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

  it("says so when there is only one, and when the caller's preference decided", () => {
    expect(pick([candidate("a")], context())).toMatchObject({ reason: "only" });
    const both = [candidate("edge"), candidate("cloud", { kind: "cloud", rttMs: 40 })];
    expect(pick(both, context({ prefer: "cloud" }))).toMatchObject({
      reason: "preferred",
      candidate: { node: "cloud" },
    });
  });

  it("never refuses for a preference that nobody meets", () => {
    expect(pick([candidate("a")], context({ prefer: "cloud" }))).toMatchObject({ kind: "picked" });
  });

  it("refuses when nobody is left, and when nobody answers in time", () => {
    expect(pick([candidate("a")], context({ mayTake: () => false }))).toEqual({
      kind: "refused",
      reason: "none-ready",
      considered: 0,
    });
    expect(pick([candidate("a", { meanMs: 500, rif: 1 })], context({ timeLeftMs: 100 }))).toEqual({
      kind: "refused",
      reason: "late",
      considered: 1,
    });
  });

  it("asks an idle placement that would be late, when nobody else is in time: its mean may be of one slow run", () => {
    const choose = (timeLeftMs: number): Pick<RouteCandidate> =>
      pick([candidate("idle", { meanMs: 500 }), candidate("busy", { rif: 1 })], context({ timeLeftMs }));
    expect(choose(30)).toMatchObject({ candidate: { node: "busy" } });
    expect(choose(15)).toMatchObject({ candidate: { node: "idle" } });
    expect(choose(0.5)).toMatchObject({ kind: "refused", reason: "late" });
  });

  it("refuses nobody whom the node would take", () => {
    const means = fc.array(fc.double({ min: 0.01, max: 500, noNaN: true }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(means, fc.nat(40), fc.integer({ min: 10, max: 10_000 }), (meansMs, rif, deadlineMs) => {
        const there = candidate("a", { rttMs: 0.1 * deadlineMs });
        for (let one = 0; one < rif; one += 1) there.stats.begin(NOW);
        for (const meanMs of meansMs) there.stats.report({ rif, slots: 1, meanUs: meanMs * 1_000, p95Us: 0 }, NOW);
        const queue = { inFlight: rif, ahead: rif, slots: 1, meanMs: meansMs.at(-1) ?? 0, batch: 1, queueLimit: 1_024 };
        const node = { kind: "edge", isDraining: false, heldBytes: 0, maxBytes: 1 } as const;
        fc.pre(refusalOf({ edgeOnly: false, deadlineMs, bytes: 1 }, node, queue) === undefined);
        expect(pick([there], context({ timeLeftMs: deadlineMs }))).toMatchObject({ kind: "picked" });
      }),
    );
  });

  it("avoids a placement that just failed, but never refuses because of it", () => {
    const [flaky, sound] = [candidate("flaky"), candidate("sound", { rttMs: 900 })];
    failTimes(flaky.stats, 1);
    expect(pick([flaky, sound], context())).toMatchObject({ candidate: { node: "sound" } });
    expect(pick([flaky], context({ timeLeftMs: 1_000 }))).toMatchObject({ candidate: { node: "flaky" } });
    expect(pick([flaky, sound], context({ now: NOW + 100_000 }))).toMatchObject({ candidate: { node: "flaky" } });
  });

  it("avoids a placement with an overdue answer, and uses it again once it answers", () => {
    const [near, far] = [candidate("near", { rttMs: 1 }), candidate("far", { rttMs: 30 })];
    near.stats.begin(NOW);
    const choose = (now: number) => pick([near, far], context({ now }));
    expect(choose(NOW + 20)).toMatchObject({ candidate: { node: "near" } });
    expect(choose(NOW + 150)).toMatchObject({ candidate: { node: "far" } });
    near.stats.answered({ rif: 0, slots: 1, meanUs: 10_000, p95Us: 20_000 }, NOW + 160);
    expect(choose(NOW + 161)).toMatchObject({ candidate: { node: "near" } });
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

  it.each([
    ["the SLO: the cheapest that meets it answers", { sloMs: 100 }, "edge", "cheapest"],
    ["no SLO: the soonest answers, whatever it costs", {}, "cloud", "least-eta"],
    ["`fast`, which overrides the SLO", { sloMs: 100, prefer: "fast" as const }, "cloud", "least-eta"],
    ["`cheap`", { prefer: "cheap" as const }, "edge", "preferred"],
    ["`cloud`", { sloMs: 100, prefer: "cloud" as const }, "cloud", "preferred"],
    ["an SLO that only the dear one meets", { sloMs: 30 }, "cloud", "least-eta"],
  ])("chooses by %s", (_name, preference, node, reason) => {
    const both = [candidate("edge", { rttMs: 40 }), candidate("cloud", { kind: "cloud", rttMs: 5 })];
    expect(pick(both, context(preference))).toMatchObject({ candidate: { node }, reason });
  });

  it("goes by what a node says that it costs", () => {
    const both = [candidate("metered", { cost: 1, rttMs: 1 }), candidate("pod", { kind: "cloud", cost: 0, rttMs: 40 })];
    expect(pick(both, context({ sloMs: 100 }))).toMatchObject({ candidate: { node: "pod" }, reason: "cheapest" });
  });

  it.each([
    ["with an SLO", { sloMs: 100 }],
    ["without one", {}],
  ])("overflows to the cloud while the edge is busy, %s", (_name, preference) => {
    const busy = candidate("edge", { rif: 30 });
    const cloud = candidate("cloud", { kind: "cloud", rttMs: 40 });
    expect(pick([busy, cloud], context(preference))).toMatchObject({
      candidate: { node: "cloud" },
      reason: "overflow",
    });
  });

  it("does not call it an overflow when the edge could never be as soon", () => {
    const slow = candidate("edge", { meanMs: 500 });
    const cloud = candidate("cloud", { kind: "cloud", rttMs: 40 });
    expect(pick([slow, cloud], context())).toMatchObject({ candidate: { node: "cloud" }, reason: "least-eta" });
  });

  it("gives a placement that came back a tenth of its share at first, and all of it after 30 s", () => {
    const random = seededRandom(11);
    const [back, steady] = [candidate("back"), candidate("steady", { rttMs: 30 })];
    steady.stats.setServing(true, NOW - 60_000);
    back.stats.setServing(true, NOW);
    const shareAt = (now: number): number => {
      let count = 0;
      for (let request = 0; request < 2_000; request += 1) {
        const choice = pick([back, steady], context({ random, now }));
        if (choice.kind === "picked" && choice.candidate === back) count += 1;
      }
      return count / 2_000;
    };
    expect(shareAt(NOW)).toBeCloseTo(0.1, 1);
    expect(shareAt(NOW + 15_000)).toBeCloseTo(0.55, 1);
    expect(shareAt(NOW + 30_000)).toBe(1);
  });

  it("brings sessions over to a placement that came back one by one, and none of them to and fro", () => {
    const [back, steady] = [candidate("back"), candidate("steady")];
    steady.stats.setServing(true, NOW - 60_000);
    back.stats.setServing(true, NOW);
    const nodeOf = (session: number, now: number, seed: number): string => {
      const choice = pick(
        [back, steady],
        context({ session: stableHash(`s${session}`), now, random: seededRandom(seed) }),
      );
      return choice.kind === "picked" ? choice.candidate.node : "none";
    };
    const sessions = Array.from({ length: 400 }, (_, session) => session);
    const overAt = (now: number): readonly number[] =>
      sessions.filter((session) => {
        const nodes = new Set([1, 2, 3, 4].map((seed) => nodeOf(session, now, seed)));
        expect(nodes.size).toBe(1);
        return nodes.has("back");
      });
    const [first, later, all] = [NOW, NOW + 15_000, NOW + 30_000].map(overAt);
    expect((first?.length ?? 0) / sessions.length).toBeCloseTo(0.05, 1);
    expect((all?.length ?? 0) / sessions.length).toBeCloseTo(0.5, 1);
    expect(later).toEqual(expect.arrayContaining([...(first ?? [])]));
    expect(all).toEqual(expect.arrayContaining([...(later ?? [])]));
  });

  it("keeps a session at one replica of very many", () => {
    const many = Array.from({ length: 200 }, (_, index) => candidate(`edge${index}`));
    const nodes = new Set(
      Array.from({ length: 20 }, (_, seed) => {
        const choice = pick(many, context({ session: 5, random: seededRandom(seed) }));
        return choice.kind === "picked" ? choice.candidate.node : "none";
      }),
    );
    expect(nodes.size).toBe(1);
  });

  it("does not slow a fleet in which all are new", () => {
    const [near, far] = [candidate("near"), candidate("far", { rttMs: 30 })];
    for (const { stats } of [near, far]) stats.setServing(true, NOW);
    for (let seed = 0; seed < 50; seed += 1) {
      expect(pick([near, far], context({ random: seededRandom(seed) }))).toMatchObject({ candidate: { node: "near" } });
    }
  });

  it("draws three by capacity among many, and looks at all when those three cannot answer", () => {
    const many = Array.from({ length: 200 }, (_, index) => candidate(`n${index}`));
    expect(pick(many, context())).toMatchObject({ kind: "picked", reason: "sampled", considered: 3 });
    const only = (each: RouteCandidate): boolean => each.node === "n150";
    expect(pick(many, context({ mayTake: only }))).toMatchObject({ candidate: { node: "n150" }, reason: "only" });
  });

  it("draws from the cheapest of many where the SLO decides, and looks at all when they are busy", () => {
    const cheap = Array.from({ length: 100 }, (_, index) => candidate(`edge${index}`, { rttMs: 40 }));
    const dear = Array.from({ length: 100 }, (_, index) => candidate(`pod${index}`, { kind: "cloud" }));
    const how = { sloMs: 100 };
    expect(pick([...cheap, ...dear], context(how))).toMatchObject({ reason: "cheapest", candidate: { kind: "edge" } });
    for (const { stats } of cheap) stats.report({ rif: 30, slots: 1, meanUs: 10_000, p95Us: 20_000 }, NOW);
    expect(pick([...cheap, ...dear], context(how))).toMatchObject({ reason: "overflow", candidate: { kind: "cloud" } });
  });

  it("never picks one that may not take the request, nor an ejected one while sound capacity is left", () => {
    const shape = fc.record({
      rttMs: fc.integer({ min: 0, max: 100 }),
      meanMs: fc.integer({ min: 1, max: 100 }),
      rif: fc.integer({ min: 0, max: 20 }),
      kind: fc.constantFrom("edge" as const, "cloud" as const),
      mayTake: fc.boolean(),
      failures: fc.integer({ min: 0, max: 6 }),
    });
    const preference = fc.record({
      prefer: fc.constantFrom("fast" as const, "cheap" as const, "edge" as const, "cloud" as const, undefined),
      sloMs: fc.constantFrom(20, 200, undefined),
      timeLeftMs: fc.constantFrom(10, 100, 30_000),
    });
    fc.assert(
      fc.property(fc.array(shape, { maxLength: 90 }), preference, fc.integer(), (shapes, how, seed) => {
        const candidates = shapes.map((each, index) => candidate(`n${index}`, each));
        candidates.forEach(({ stats }, index) => failTimes(stats, shapes[index]?.failures ?? 0));
        const open = candidates.filter((_, index) => shapes[index]?.mayTake);
        const mayTake = (each: RouteCandidate): boolean => open.includes(each);
        const set = candidateSet(candidates, NOW);
        const choice = pickFrom(set, context({ ...how, random: seededRandom(seed), mayTake }));
        if (choice.kind === "refused") {
          const soonest = Math.min(...open.map((each) => expectedMs(each, { now: NOW })));
          expect(choice.reason === "none-ready" ? open.length === 0 : open.length > 0).toBe(true);
          if (choice.reason === "late" && open.every(({ stats }) => !stats.isEjected(NOW)))
            expect(soonest).toBeGreaterThan(how.timeLeftMs);
          return;
        }
        expect(open).toContain(choice.candidate);
        const { candidate: chosen } = choice;
        if (expectedMs(chosen, { now: NOW }) > how.timeLeftMs) expect(chosen.stats.othersAtReport).toBe(0);
        const hasSound = open.some(({ stats }) => !stats.isEjected(NOW));
        if (!set.isPanic && hasSound) expect(choice.candidate.stats.isEjected(NOW)).toBe(false);
      }),
    );
  });
});
