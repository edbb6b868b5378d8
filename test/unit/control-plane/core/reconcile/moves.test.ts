import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { isWanted, placementsOfDeployment } from "../../../../../control-plane/core/fleet/queries.ts";
import type { Fleet, FleetNode, FleetPlacement } from "../../../../../control-plane/core/fleet/types.ts";
import { withPlacements } from "../../../../../control-plane/core/fleet/with-placements.ts";
import { Moves } from "../../../../../control-plane/core/reconcile/moves.ts";
import { planFleet } from "../../../../../control-plane/core/reconcile/plan.ts";
import { describePlan, type Step } from "../../../../../control-plane/core/reconcile/steps.ts";
import type { Demand } from "../../../../../control-plane/core/scaling/demand.ts";
import { candidatesOf } from "../../../../../control-plane/core/scheduling/candidates/candidate.ts";
import { stateFor, type PlanContext } from "../../../../../control-plane/core/scheduling/context.ts";
import { hopsOf } from "../../../../../control-plane/core/scheduling/hops.ts";
import { needOf } from "../../../../../control-plane/core/scheduling/planning/plan-deployment.ts";
import { DEFAULT_PROFILE } from "../../../../../control-plane/core/scheduling/profile.ts";
import { onlyZone, rank, replicasByZone } from "../../../../../control-plane/core/scheduling/candidates/rank.ts";
import { whenDone, withSteps } from "../../../../../control-plane/core/what-if/virtual-fleet.ts";
import { whatIf } from "../../../../../control-plane/core/what-if/what-if.ts";
import type { PlacementId } from "../../../../../shared/base/ids.ts";
import { anyWorld } from "../../../../support/fleet/any-world.ts";
import { aRollout } from "../../../../support/fleet/a-rollout.ts";
import {
  aDeployment,
  aFleet,
  aFleetSession,
  aNode,
  aPlacement,
  aVersion,
  NOW,
  TIMINGS,
} from "../../../../support/fleet/fleet-builder.ts";

const context: PlanContext = { now: NOW, timings: TIMINGS, trigger: "test" };
const asks = (ratePerS: number): Demand => ({ ratePerS, serviceMs: 5, waiting: 0, slots: 1 });
const demandOf = (ratePerS: number, ...names: readonly string[]): ReadonlyMap<string, Demand> =>
  new Map(names.map((name) => [name, asks(ratePerS)]));

const withRtt = (name: string, rttMs: number, over: Partial<FleetNode> = {}): FleetNode => {
  const node = aNode(name, { zone: "z", ...over });
  return { ...node, load: node.load && { ...node.load, rttMs } };
};
const digits = (over: object = {}) =>
  aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } }, ...over });
const LONG_AGO = NOW - 3_600_000;

/** One replica of digits on edge-a, 200 ms away, and edge-b, 1 ms away, unless said otherwise. */
function fleetOf({
  nodes = [withRtt("edge-a", 200), withRtt("edge-b", 1)],
  of = {},
  deployment = digits(),
  bytes = 1_000_000,
}: {
  readonly nodes?: readonly FleetNode[];
  readonly of?: Partial<FleetPlacement>;
  readonly deployment?: ReturnType<typeof digits>;
  readonly bytes?: number;
} = {}): Fleet {
  const [first] = nodes;
  if (!first) throw new Error("a node is needed");
  const placements = [aPlacement(first, { stateSince: LONG_AGO, ...of })];
  return aFleet({ nodes, deployments: [deployment], versions: [aVersion("digits", 1, { bytes })], placements });
}

/** The move that a leader begins that has just made its plan. */
function moveIn(
  fleet: Fleet,
  {
    demands = demandOf(10, "digits"),
    over = {},
  }: { demands?: ReadonlyMap<string, Demand>; over?: Partial<PlanContext> } = {},
): Step<"placement.create"> | undefined {
  const at = { ...context, ...over };
  return new Moves().next(fleet, planFleet(fleet, at), { ...at, demands });
}

const begun = (fleet: Fleet): Fleet => {
  const move = moveIn(fleet);
  if (!move) throw new Error("nothing moves");
  return withSteps(fleet, [move], NOW);
};
const namesOf = (fleet: Fleet): readonly string[] =>
  placementsOfDeployment(fleet, "digits")
    .filter(isWanted)
    .map(({ nodeId }) => fleet.nodes.get(nodeId)?.name ?? "");

describe("a replica", () => {
  it("moves to a node that is much better, and its record says what for", () => {
    const move = moveIn(fleetOf());
    expect(move && describePlan([move])).toEqual(["place digits:1 on edge-b"]);
    expect(move?.record.moves).toMatchObject({ placementId: "p-edge-a", node: "edge-a", savedMs: 152.4 });
    expect(move?.record.moves?.gain).toBeGreaterThan(10);
    expect(move?.record.sentence).toMatch(
      /; it takes the place of edge-a: better by [\d.]+ points at least, and each of 10 requests a second is answered 152.4 ms sooner, for a push of 0.1 s$/,
    );
  });

  it("moves to a node that its callers reach without a hop between control planes", () => {
    const at = (replica: string) => ({ session: aFleetSession({ replica }) });
    const fleet = fleetOf({ nodes: [withRtt("edge-a", 5, at("r-far")), withRtt("edge-b", 5, at("r-near"))] });
    const hops = hopsOf(new Map(Object.entries({ "r-near": 0, "r-far": 200 })), 200);
    if (!hops) throw new Error("there are none");
    const move = moveIn(fleet, { over: { hops: new Map([["digits", hops]]) } });
    expect(move && describePlan([move])).toEqual(["place digits:1 on edge-b"]);
    expect(move?.record.moves?.savedMs).toBe(150.5);
    expect(move?.record.top[0]?.scores["latency"]?.raw).toBe("6.0 ms");
    expect(moveIn(fleet)).toBeUndefined();
  });

  it("serves until its successor is ready, and then leaves", () => {
    const coming = begun(fleetOf());
    expect(describePlan(planFleet(coming, context).steps)).toEqual([]);
    const there = whenDone(coming, context);
    const { steps } = planFleet(there, context);
    expect(describePlan(steps)).toEqual(["remove digits:1 from edge-a: it moved to edge-b"]);
    const after = whenDone(withSteps(there, steps, NOW), context);
    expect(namesOf(after)).toEqual(["edge-b"]);
    expect(describePlan(planFleet(after, context).steps)).toEqual([]);
  });

  it("stays when its successor fails, which leaves", () => {
    const coming = begun(fleetOf());
    const successor = placementsOfDeployment(coming, "digits").find(({ state }) => state === "offered");
    if (!successor) throw new Error("nothing was placed");
    const failure = { code: "LOAD_FAILED" as const, detail: "" };
    const failed = withPlacements(coming, new Map([[successor.id, { ...successor, state: "failed", failure }]]));
    const { steps } = planFleet(failed, context);
    expect(describePlan(steps)).toEqual([
      "remove digits:1 from edge-b: it failed there (LOAD_FAILED) and enough replicas are ready elsewhere",
    ]);
    expect(namesOf(withSteps(failed, steps, NOW))).toEqual(["edge-a"]);
  });

  it("is replaced by its successor when its own node is lost meanwhile", () => {
    const coming = whenDone(begun(fleetOf()), context);
    const lost = { ...withRtt("edge-a", 200), session: aFleetSession({ open: false, lastSeen: NOW - 70_000 }) };
    const { steps } = planFleet({ ...coming, nodes: new Map(coming.nodes).set(lost.id, lost) }, context);
    expect(describePlan(steps)).toEqual([
      "remove digits:1 from edge-a: edge-a is lost and enough replicas are ready elsewhere",
    ]);
  });

  const far = withRtt("edge-a", 200);
  const near = withRtt("edge-b", 1);
  const silent = aFleetSession({ open: false, lastSeen: NOW - 70_000 });
  it.each<[string, Fleet, Parameters<typeof moveIn>[1]]>([
    ["while nobody asks for it", fleetOf(), { demands: new Map() }],
    ["in its first 10 minutes", fleetOf({ of: { stateSince: NOW - 599_000 } }), {}],
    ["in the first 10 minutes of a leader", fleetOf(), { over: { leaderSince: NOW - 599_000 } }],
    ["for less than 10 points", fleetOf({ nodes: [withRtt("edge-a", 100), near] }), {}],
    [
      "when the push takes longer than 10 minutes of requests save",
      fleetOf({ bytes: 10 ** 9 }),
      { demands: demandOf(1, "digits") },
    ],
    ["to a node that a filter refuses", fleetOf({ nodes: [far, { ...near, cordoned: true }] }), {}],
    ["to a node of the other kind", fleetOf({ nodes: [far, { ...near, kind: "cloud" }] }), {}],
    [
      "when it is on every node",
      fleetOf({
        deployment: digits({ placement: { edge: { every: true }, where: { matchLabels: { name: "edge-a" } } } }),
      }),
      {},
    ],
    [
      "while most nodes of a site are lost",
      fleetOf({
        nodes: [far, near, ...[1, 2, 3, 4, 5].map((at) => aNode(`gone-${at}`, { site: "hill", session: silent }))],
      }),
      {},
    ],
    [
      "while a rollout of its deployment runs",
      fleetOf({ deployment: { ...digits({ rollout: { strategy: "canary" } }), rollout: aRollout() } }),
      {},
    ],
  ])("does not move %s", (_, fleet, of) => {
    expect(moveIn(fleet, of)).toBeUndefined();
  });

  it("does not move while another one does", () => {
    const faces = aDeployment({ name: "faces", model: "faces", version: 1, placement: { edge: { min: 1 } } });
    const nodes = [far, near];
    const placements = ["digits", "faces"].map((name) =>
      aPlacement(far, { id: name as PlacementId, deployment: name, model: name, stateSince: LONG_AGO }),
    );
    const versions = [aVersion("digits", 1), aVersion("faces", 1)];
    const fleet = aFleet({ nodes, deployments: [digits(), faces], versions, placements });
    const demands = demandOf(10, "digits", "faces");
    const first = moveIn(fleet, { demands });
    expect(first?.deployment).toBe("digits");
    const coming = withSteps(fleet, first ? [first] : [], NOW);
    expect(moveIn(coming, { demands })).toBeUndefined();
  });

  /** Whether one leader moves the replica at a time, which is each time on edge-a still. */
  function oneLeader(): (now: number) => boolean {
    const moves = new Moves();
    return (now) => {
      const fleet = fleetOf();
      const time = { ...context, now };
      const nodes = [...fleet.nodes].map(
        ([id, node]) => [id, { ...node, session: aFleetSession({ lastSeen: now, ownerSeen: now }) }] as const,
      );
      const present = { ...fleet, nodes: new Map(nodes) };
      return moves.next(present, planFleet(present, time), { ...time, demands: demandOf(10, "digits") }) !== undefined;
    };
  }

  it("is not moved again within 10 minutes by the leader that moved one of its deployment", () => {
    const at = oneLeader();
    expect([at(NOW), at(NOW + 60_000), at(NOW + 599_000), at(NOW + 640_000)]).toEqual([true, false, false, true]);
  });

  it("that fails each time on its new node is tried there after twice as long each time, and once a day at least", () => {
    const at = oneLeader();
    const moves = Array.from({ length: 4 * 24 * 60 }, (_, minute) => minute).filter((minute) =>
      at(NOW + minute * 60_000),
    );
    expect(moves.slice(0, 8)).toEqual([0, 10, 30, 70, 150, 310, 630, 1_270]);
    expect(moves.slice(8).map((minute, place) => minute - (moves[place + 7] ?? 0))).toEqual([1_280, 1_440, 1_440]);
  });
});

describe("moves, whatever the fleet is", () => {
  const worlds = fc.oneof(
    anyWorld({ nodes: [3, 9], deployments: [1, 4], maxPlaced: 8 }),
    anyWorld({ nodes: [4, 9], deployments: [1, 2], areReady: true }),
  );
  /** Round trips that are other ones than when the replicas were placed. */
  const anyRtts = fc.array(fc.constantFrom(1, 400), { minLength: 9, maxLength: 9 });
  /** The fleet when all that was planned is done, an hour later as far as its replicas are concerned. */
  function converged(fleet: Fleet, rtts: readonly number[]): Fleet | undefined {
    const last = [...whatIf(fleet, context)].at(-1);
    if (!last?.isLast) return undefined;
    const old = [...last.fleet.placements].map(([id, each]) => [id, { ...each, stateSince: LONG_AGO }] as const);
    const nodes = [...last.fleet.nodes].map(([id, node], at) => {
      const load = node.load && { ...node.load, rttMs: rtts[at] ?? 1, cpuPct: 10 };
      return [id, { ...node, load }] as const;
    });
    return { ...withPlacements(last.fleet, new Map(old)), nodes: new Map(nodes) };
  }

  it("go to nodes that no filter refuses, are found again in the same fleet, and come to an end", () => {
    let moved = 0;
    fc.assert(
      fc.property(worlds, anyRtts, fc.double({ min: 0.1, max: 1_000, noNaN: true }), (world, rtts, rate) => {
        let present = converged(world.fleet, rtts);
        if (!present) return;
        const demands = demandOf(rate, ...world.deployments.map(({ name }) => name));
        for (let round = 0; round < 20; round += 1) {
          const move = moveIn(present, { demands });
          if (!move) return;
          moved += 1;
          expect(moveIn(present, { demands })).toEqual(move);
          expect(refusalOf(present, move)).toEqual([]);
          const before = placementsOfDeployment(present, move.deployment).length;
          const there = whenDone(withSteps(present, [move], NOW), context);
          const { steps } = planFleet(there, context);
          // One that is below its minimum is given the room of the replica that is left over in the same plan.
          const others = steps.filter(isForOther(move));
          const own = steps.filter((step) => !others.includes(step));
          expect(own.map(({ kind }) => kind)).toEqual(["placement.remove"]);
          const left = own.flatMap((step) => (step.kind === "placement.remove" ? [step.placement.id] : []));
          expect(others.map(victimsOf)).toEqual(others.map(() => left));
          present = whenDone(withSteps(there, steps, NOW), context);
          expect(placementsOfDeployment(present, move.deployment)).toHaveLength(before);
          // What it left behind may be the room that another deployment lacks.
          const next = planFleet(present, context).decisions.get(move.deployment);
          expect([next?.create, next?.remove]).toEqual([[], []]);
          const settled = converged(present, rtts);
          if (!settled) throw new Error("the fleet does not settle after a move");
          present = settled;
        }
        throw new Error("replicas are moved without end");
      }),
      { numRuns: 500 },
    );
    expect(moved).toBeGreaterThan(10);
  });

  const isForOther =
    (move: Step<"placement.create">) =>
    (step: Step): boolean =>
      step.kind === "placement.create" && step.deployment !== move.deployment;

  /** Which replicas leave for one that comes. */
  const victimsOf = (step: Step): readonly string[] =>
    step.kind === "placement.create" ? (step.record.victims ?? []).map(({ placementId }) => placementId) : [];

  /** What refuses the node of a move when the replica that it replaces is thought away. */
  function refusalOf(fleet: Fleet, { deployment: name, nodeId, record }: Step<"placement.create">) {
    const deployment = fleet.deployments.get(name);
    const version = deployment && fleet.versions.get(`${deployment.spec.model}:1`);
    if (!deployment || !version) throw new Error(`there is no ${name}`);
    const without = withPlacements(fleet, new Map([[record.moves?.placementId ?? "", undefined]]));
    const all = candidatesOf(without, { stateOf: (node) => stateFor(node, context), now: NOW });
    const need = needOf(deployment, version, { now: NOW });
    const outside = onlyZone(need, replicasByZone(all, need).keys());
    const ofKind = all.filter(({ node }) => node.kind === record.kind);
    const node = fleet.nodes.get(nodeId)?.name;
    return rank(ofKind, need, { profile: DEFAULT_PROFILE, outside }).rejections.filter((each) => each.node === node);
  }

  it("never go from one of two equal nodes to the other, whatever their measured signals are off by up to 30 %", () => {
    const off = fc.double({ min: 0.7, max: 1.3, noNaN: true });
    const hop = fc.option(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 300 })));
    const real = fc.record({
      hop,
      kind: fc.constantFrom("edge" as const, "cloud" as const),
      rttMs: fc.double({ min: 0, max: 1_000, noNaN: true }),
      cpuPct: fc.double({ min: 0, max: 100, noNaN: true }),
    });
    fc.assert(
      fc.property(
        real,
        fc.array(fc.tuple(off, off), { minLength: 2, maxLength: 6 }),
        ({ kind, rttMs, cpuPct, hop: ways }, offs) => {
          const nodes = offs.map(([ofRtt, ofCpu], at) => {
            const node = aNode(`node-${at}`, { kind, zone: "z" });
            const load = node.load && { ...node.load, rttMs: rttMs * ofRtt, cpuPct: Math.min(100, cpuPct * ofCpu) };
            return { ...node, load };
          });
          const deployment = digits({ placement: { [kind]: { min: 1 } } });
          // All sessions are at one control plane, wherever the requests come from.
          const hops = ways && hopsOf(new Map([["r-1", ways[0]]]), ways[1]);
          const over = hops ? { hops: new Map([["digits", hops]]) } : {};
          expect(moveIn(fleetOf({ nodes, deployment }), { demands: demandOf(10_000, "digits"), over })).toBeUndefined();
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
