import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { FleetPlacement } from "../../../../../../control-plane/core/fleet/types.ts";
import type { Candidate } from "../../../../../../control-plane/core/scheduling/candidates/candidate.ts";
import { surplusOf } from "../../../../../../control-plane/core/scheduling/planning/surplus.ts";
import type { PlacementId } from "../../../../../../shared/base/ids.ts";
import { aNode, aPlacement, NOW } from "../../../../../support/fleet/fleet-builder.ts";
import { aCandidate } from "../../../../../support/fleet/scheduling-fixture.ts";

interface Draw {
  readonly zone: string;
  readonly age: number;
  readonly state?: FleetPlacement["state"];
  readonly isLost?: boolean;
}

/** Replicas `0`, `1`, …, each on a node of its own. */
function replicas(draws: readonly Draw[]) {
  const candidates = new Map<string, Candidate>();
  const standing = draws.map(({ zone, age, state = "ready", isLost = false }, index) => {
    const node = aNode(`edge-${index}`, { zone });
    candidates.set(node.id, aCandidate({ of: node, state: isLost ? "lost" : "ready" }));
    return aPlacement(node, { id: String(index) as PlacementId, state, decidedAt: NOW - age });
  });
  const at = ({ nodeId }: FleetPlacement): Candidate | undefined => candidates.get(nodeId);
  return { standing, at, zoneOf: (placement: FleetPlacement) => at(placement)?.node.zone ?? "" };
}

const idsOf = (count: number, draws: readonly Draw[], { isSpread = true, others = 0 } = {}): readonly string[] => {
  const { standing, at } = replicas(draws);
  const mine = standing.slice(others);
  return surplusOf(count, { standing: mine, others: standing.slice(0, others), at, isSpread }).map(({ id }) => id);
};

describe("replicas that are too many", () => {
  const three: readonly Draw[] = [
    { zone: "a", age: 30 },
    { zone: "a", age: 20 },
    { zone: "b", age: 10 },
  ];

  it("are those of the fullest zone, the youngest first", () => {
    expect(idsOf(1, three)).toEqual(["1"]);
    expect(idsOf(2, three)).toEqual(["1", "2"]);
  });

  it("are the youngest where the deployment does not spread over zones", () => {
    expect(idsOf(2, three, { isSpread: false })).toEqual(["2", "1"]);
  });

  it("are first those that do not serve: not ready, or on a lost node", () => {
    expect(idsOf(1, [...three, { zone: "c", age: 90, state: "loading" }])).toEqual(["3"]);
    expect(idsOf(1, [...three, { zone: "c", age: 90, isLost: true }])).toEqual(["3"]);
  });

  it("are, of two zones with as many, those of the zone with more replicas on nodes of the other kind", () => {
    const draws = [
      { zone: "a", age: 50 },
      { zone: "a", age: 40 },
      { zone: "b", age: 10 },
    ];
    expect(idsOf(1, draws, { others: 1 })).toEqual(["1"]);
  });

  it("are none when there are not", () => {
    expect(idsOf(0, three)).toEqual([]);
    expect(idsOf(-1, three)).toEqual([]);
  });

  it("leave in the order in which each comes from the zone that is the fullest then", () => {
    const anyDraw = fc.record({ zone: fc.constantFrom("a", "b", "c"), age: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(anyDraw, { maxLength: 12 }), (draws) => {
        const { standing, at, zoneOf } = replicas(draws);
        let left: readonly FleetPlacement[] = standing;
        const inZone = (zone: string): number => left.filter((each) => zoneOf(each) === zone).length;
        for (const leaving of surplusOf(draws.length, { standing, others: [], at, isSpread: true })) {
          const most = Math.max(...left.map((each) => inZone(zoneOf(each))));
          expect(inZone(zoneOf(leaving))).toBe(most);
          left = left.filter((each) => each !== leaving);
        }
        expect(left).toEqual([]);
      }),
    );
  });
});
