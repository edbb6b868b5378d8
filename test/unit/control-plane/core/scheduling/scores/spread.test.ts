import { describe, expect, it } from "@jest/globals";
import { spread } from "../../../../../../control-plane/core/scheduling/scores/spread.ts";
import type { Candidate } from "../../../../../../control-plane/core/scheduling/candidates/candidate.ts";
import {
  aCandidate,
  aRequest,
  unboundedCase,
  onEdgeA,
  scoreOn,
} from "../../../../../support/fleet/scheduling-fixture.ts";

const inZone = (zone: string, replicas: number): Candidate =>
  aCandidate({ of: { zone }, placements: Array.from({ length: replicas }, () => onEdgeA()) });
const scored = (candidate: Candidate, ...others: readonly Candidate[]) =>
  scoreOn(spread, candidate, aRequest(), [candidate, ...others]);

describe("spread", () => {
  it.each([
    ["no zone has a replica", inZone("a", 0), [inZone("b", 0)], 100, "0 in zone a"],
    ["only another zone has replicas", inZone("a", 0), [inZone("b", 2)], 100, "0 in zone a"],
    ["its zone has half of what the fullest has", inZone("a", 1), [inZone("b", 2)], 50, "1 in zone a"],
    ["its zone is the fullest", inZone("a", 2), [inZone("b", 1)], 0, "2 in zone a"],
    ["its neighbour in the zone has the replicas", inZone("a", 0), [inZone("a", 1), inZone("b", 0)], 0, "1 in zone a"],
    ["its zone is the only one", inZone("a", 1), [], 0, "1 in zone a"],
  ])("of a node when %s", (_, candidate, others, score, raw) => {
    expect(scored(candidate, ...others)).toEqual({ score, raw });
  });

  it("does not count replicas of other deployments", () => {
    const candidate = aCandidate({ of: { zone: "a" }, placements: [onEdgeA({ deployment: "other" })] });
    expect(scored(candidate)).toEqual({ score: 100, raw: "0 in zone a" });
  });

  it("is finite and from 0 to 100", () => {
    expect(unboundedCase(spread)).toBeNull();
  });
});
