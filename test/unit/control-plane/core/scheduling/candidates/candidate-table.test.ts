import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { tableOf, withCandidates } from "../../../../../../control-plane/core/scheduling/candidates/candidate-list.ts";
import {
  candidatesOf,
  withPlacement,
  type Candidate,
} from "../../../../../../control-plane/core/scheduling/candidates/candidate.ts";
import { stateFor } from "../../../../../../control-plane/core/scheduling/context.ts";
import { versionOf } from "../../../../../../control-plane/core/fleet/queries.ts";
import type { FleetDeployment } from "../../../../../../control-plane/core/fleet/types.ts";
import type { Filter } from "../../../../../../control-plane/core/scheduling/filters/filter.ts";
import { placementOn } from "../../../../../../control-plane/core/scheduling/planning/place-replicas.ts";
import { needOf } from "../../../../../../control-plane/core/scheduling/planning/plan-deployment.ts";
import { DEFAULT_PROFILE, type Profile } from "../../../../../../control-plane/core/scheduling/profile.ts";
import { rank } from "../../../../../../control-plane/core/scheduling/candidates/rank.ts";
import { spread } from "../../../../../../control-plane/core/scheduling/scores/spread.ts";
import type { Score } from "../../../../../../control-plane/core/scheduling/scores/score.ts";
import { summaryOf } from "../../../../../../control-plane/core/scheduling/explaining/ranking-summary.ts";
import { nodeKind } from "../../../../../../shared/api/v1/nodes/nodes.ts";
import { anyWorld, context, type World } from "../../../../../support/fleet/any-world.ts";
import { aDeployment, aFleet, aNode, aPlacement, aVersion, NOW } from "../../../../../support/fleet/fleet-builder.ts";

const candidatesIn = ({ fleet }: World): readonly Candidate[] =>
  candidatesOf(fleet, { stateOf: (node) => stateFor(node, context), now: NOW });

function requestOf({ fleet }: World, deployment: FleetDeployment) {
  const version = versionOf(fleet, deployment.spec.model, 1);
  if (!version) throw new Error(`there is no version of ${deployment.spec.model}`);
  return needOf(deployment, version, { now: NOW, fleet });
}

const worlds = anyWorld({ nodes: [1, 10], deployments: [1, 4], maxPlaced: 8 });

describe("a candidate table", () => {
  it("ranks as every filter and score asked about every node, while nodes are given placements", () => {
    fc.assert(
      fc.property(worlds, fc.array(fc.nat(9), { maxLength: 6 }), (world, chosen) => {
        let candidates = candidatesIn(world);
        const requests = world.deployments.map((deployment) => requestOf(world, deployment));
        for (const place of [0, ...chosen]) {
          for (const need of requests) {
            for (const kind of nodeKind.options) {
              const table = tableOf(candidates).rank(need, { kind, profile: DEFAULT_PROFILE });
              const ofKind = candidates.filter(({ node }) => node.kind === kind);
              expect(table).toEqual(summaryOf(rank(ofKind, need, { profile: DEFAULT_PROFILE })));
            }
          }
          const [given, need] = [candidates[place], requests[place % requests.length]];
          if (!given || !need) continue;
          const { id } = given.node;
          const record = aPlacement(given.node).explain;
          candidates = withCandidates(candidates, [withPlacement(given, placementOn(id, need, record), need)]);
        }
      }),
    );
  });

  it("ranks as they do where one zone is kept free", () => {
    fc.assert(
      fc.property(worlds, fc.constantFrom("a", "b", "c"), (world, outside) => {
        const candidates = candidatesIn(world);
        for (const deployment of world.deployments) {
          const need = requestOf(world, deployment);
          const of = { profile: DEFAULT_PROFILE, outside };
          const ofKind = candidates.filter(({ node }) => node.kind === "edge");
          const found = tableOf(candidates).rank(need, { kind: "edge", ...of });
          expect(found).toEqual(summaryOf(rank(ofKind, need, of)));
        }
      }),
    );
  });

  it("ranks as they do while many replicas are placed on many nodes", () => {
    const anyLoads = fc.array(fc.record({ rttMs: fc.integer({ min: 0, max: 40 }), zone: fc.nat(5) }), {
      minLength: 120,
      maxLength: 160,
      size: "max",
    });
    let crowded = 0;
    fc.assert(
      fc.property(anyLoads, fc.nat(3), (loads, spread) => {
        const nodes = loads.map(({ rttMs, zone }, at) => {
          const node = aNode(`edge-${String(at).padStart(3, "0")}`, { zone: `z${zone % (spread + 1)}` });
          return { ...node, cordoned: at % 7 === 3, load: node.load && { ...node.load, rttMs } };
        });
        const deployment = aDeployment({ name: "digits", model: "digits", version: 1 });
        const fleet = aFleet({ nodes, deployments: [deployment], versions: [aVersion("digits", 1)] });
        let candidates: readonly Candidate[] = candidatesOf(fleet, { stateOf: () => "ready", now: NOW });
        const need = needOf(deployment, aVersion("digits", 1), { now: NOW });
        for (let replica = 0; replica < 40; replica += 1) {
          const [only, ...zones] = tableOf(candidates).zonesWith(need);
          const of = { profile: DEFAULT_PROFILE, outside: zones.length === 0 ? only : undefined };
          const found = tableOf(candidates).rank(need, { kind: "edge", ...of });
          if (found.crowded !== undefined) crowded += 1;
          expect(found).toEqual(summaryOf(rank(candidates, need, of)));
          const chosen = found.top[0]?.candidate;
          if (!chosen) throw new Error("no node fits");
          const placed = placementOn(chosen.node.id, need, aPlacement(chosen.node).explain);
          candidates = withCandidates(candidates, [withPlacement(chosen, placed, need)]);
        }
      }),
      { numRuns: 4 },
    );
    expect(crowded).toBeGreaterThan(0);
  });

  it("asks about zones with as many replicas once, however many they are", () => {
    const askedFor = (zones: number): number => {
      let asked = 0;
      const counted: Score = {
        ...spread,
        points(...of) {
          asked += 1;
          return spread.points(...of);
        },
      };
      const deployment = aDeployment({ name: "digits", model: "digits", version: 1 });
      const nodes = Array.from({ length: zones }, (_, at) => aNode(`edge-${at}`));
      const placements = nodes.slice(zones / 2).map((node) => aPlacement(node));
      const fleet = aFleet({ nodes, deployments: [deployment], versions: [aVersion("digits", 1)], placements });
      const candidates = candidatesOf(fleet, { stateOf: () => "ready", now: NOW });
      const profile: Profile = { ...DEFAULT_PROFILE, scores: [{ score: counted, weight: 1 }] };
      tableOf(candidates).rank(needOf(deployment, aVersion("digits", 1), { now: NOW }), { kind: "edge", profile });
      return asked;
    };
    expect(askedFor(200)).toBe(askedFor(20));
  });

  it("ranks more nodes than it keeps whose totals differ by less than they are rounded by", () => {
    const deployment = aDeployment({ name: "digits", model: "digits", version: 1 });
    const need = needOf(deployment, aVersion("digits", 1), { now: NOW });
    fc.assert(
      fc.property(fc.array(fc.nat(12), { minLength: 7, maxLength: 20 }), (steps) => {
        const nodes = steps.map((step, at) => {
          const node = aNode(`edge-${at}`);
          return { ...node, load: node.load && { ...node.load, rttMs: step / 4 } };
        });
        const candidates = candidatesOf(aFleet({ nodes }), { stateOf: () => "ready", now: NOW });
        const found = tableOf(candidates).rank(need, { kind: "edge", profile: DEFAULT_PROFILE });
        expect(found).toEqual(summaryOf(rank(candidates, need, { profile: DEFAULT_PROFILE })));
      }),
    );
  });

  it("refuses a node where a filter throws, and goes on", () => {
    const throwsIn = (zone: string): Filter => ({
      code: `broken in ${zone}`,
      keyOf: () => "",
      refuse({ node }) {
        if (node.zone === zone) throw new Error("boom");
        return undefined;
      },
    });
    const broken: Profile = {
      ...DEFAULT_PROFILE,
      filters: [throwsIn("a"), throwsIn("b"), ...DEFAULT_PROFILE.filters],
    };
    fc.assert(
      fc.property(worlds, (world) => {
        const candidates = candidatesIn(world);
        const [deployment] = world.deployments;
        if (!deployment) return;
        const need = requestOf(world, deployment);
        const ofKind = candidates.filter(({ node }) => node.kind === "edge");
        const found = tableOf(candidates).rank(need, { kind: "edge", profile: broken });
        expect(found).toEqual(summaryOf(rank(ofKind, need, { profile: broken })));
      }),
    );
  });
});
