import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { candidateSet } from "../../../../../control-plane/core/routing/candidate-set.ts";
import { type RouteCandidate, scoreCandidate } from "../../../../../control-plane/core/routing/estimate.ts";
import { biasOf } from "../../../../../control-plane/core/routing/deterministic-bias.ts";
import { pick } from "../../../../../control-plane/core/routing/pick.ts";
import { PlacementStats } from "../../../../../control-plane/core/routing/placement-stats.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";

const NOW = 50_000;
const RUN_MS = 25;

function candidateAt(ring: number): RouteCandidate {
  const stats = new PlacementStats();
  stats.report({ rif: 0, slots: 2, meanUs: RUN_MS * 1_000, p95Us: 60_000 }, NOW);
  const name = `at-${ring}`;
  return { placementId: name, nodeId: name, node: name, ring, kind: "edge", cost: 0, rttMs: 10, warmUs: 0, stats };
}

const eighths = (): RouteCandidate[] => Array.from({ length: 8 }, (_, index) => candidateAt(index / 8));

function chosenBy(replica: number | undefined, candidates: readonly RouteCandidate[], seed = 7): string {
  const choice = pick(candidateSet(candidates, NOW), {
    now: NOW,
    random: seededRandom(seed),
    routers: 8,
    replica,
    timeLeftMs: 30_000,
    mayTake: () => true,
    prefer: undefined,
    sloMs: undefined,
  });
  return choice.kind === "picked" ? choice.candidate.node : choice.reason;
}

const leaningMs = (ring: number, where: { routers: number; replica: number | undefined }): number =>
  biasOf(where)(scoreCandidate(candidateAt(ring), { now: NOW, ...where }));

describe("the order of a replica's own", () => {
  it("keeps each of eight replicas to its own side while all are idle, whatever chance says", () => {
    const candidates = eighths();
    for (let seed = 0; seed < 20; seed += 1) {
      candidates.forEach(({ node }, replica) => {
        const neighbours = [-1, 1].map((step) => candidates[(replica + step + 8) % 8]?.node);
        expect([node, ...neighbours]).toContain(chosenBy(replica, candidates, seed));
      });
    }
  });

  it("turns to a neighbour on the ring when the nearest has a queue", () => {
    const candidates = eighths();
    const [nearest] = candidates;
    nearest?.stats.report({ rif: 8, slots: 2, meanUs: RUN_MS * 1_000, p95Us: 60_000 }, NOW);
    expect(["at-0.125", "at-0.875"]).toContain(chosenBy(0, candidates));
  });

  it("changes nothing for a router alone, nor for one whose site is its own", () => {
    for (const { ring } of eighths()) {
      expect(leaningMs(ring, { routers: 1, replica: 0 })).toBe(0);
      expect(leaningMs(ring, { routers: 8, replica: undefined })).toBe(0);
    }
    const candidates = eighths();
    const chosen = new Set(Array.from({ length: 100 }, (_, seed) => chosenBy(undefined, candidates, seed)));
    expect(chosen.size).toBe(8);
  });

  it("is nothing where a replica stands, most on the far side, and the same in both directions", () => {
    const replicas = fc.record({ routers: fc.integer({ min: 2, max: 8 }), replica: fc.integer({ min: 0, max: 7 }) });
    fc.assert(
      fc.property(replicas, fc.double({ min: 0, max: 0.5, noNaN: true }), ({ routers, replica: any }, apart) => {
        const where = { routers, replica: any % routers };
        const here = where.replica / routers;
        const at = (ring: number): number => leaningMs((ring + 1) % 1, where);
        expect(at(here)).toBeCloseTo(0, 9);
        expect(at(here + apart)).toBeCloseTo(at(here - apart), 6);
        expect(at(here + apart)).toBeLessThanOrEqual(at(here + 0.5) + 1e-9);
      }),
    );
  });
});
