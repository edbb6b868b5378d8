import fc from "fast-check";
import type { z } from "zod";
import {
  ownPlacements,
  type Candidate,
  type PlacementRequest,
} from "../../../control-plane/core/scheduling/candidates/candidate.ts";
import type { Filter } from "../../../control-plane/core/scheduling/filters/filter.ts";
import { replicasByZone } from "../../../control-plane/core/scheduling/candidates/rank.ts";
import type { FleetNode, FleetPlacement, FleetVersion } from "../../../control-plane/core/fleet/types.ts";
import { scoredBy, type Score, type Scored } from "../../../control-plane/core/scheduling/scores/score.ts";
import type { deploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import type { PlacementId } from "../../../shared/base/ids.ts";
import { PLACEMENT_STATES } from "../../../shared/protocol/placement.ts";
import { aDeployment, aNode, aPlacement, aVersion, NOW } from "./fleet-builder.ts";

/** The node `edge-a`, ready and empty, with 1,000 MiB of memory and of disk, unless said otherwise. */
export function aCandidate(over: Partial<Candidate> & { of?: Partial<FleetNode> } = {}): Candidate {
  const { of = {}, ...rest } = over;
  return {
    node: aNode("edge-a", of),
    state: "ready",
    placements: [],
    reservedMiB: 0,
    reservedBy: new Map(),
    streamsBy: new Map(),
    pushBytesPerMs: undefined,
    diskBy: new Map(),
    held: new Set(),
    diskHeld: new Set(),
    stallTimes: new Map(),
    usableMiB: 1_000,
    usableDiskMiB: 1_000,
    comingDiskMiB: 0,
    evictionFloorDiskMiB: 50,
    errorShare: 0,
    quarantine: undefined,
    silentMs: 0,
    ...rest,
  };
}

/** One replica of `digits:1` that needs 100 MiB of memory and of disk, unless said otherwise. */
export function aRequest(
  over: Partial<PlacementRequest> & {
    spec?: Partial<z.input<typeof deploymentSpec>>;
    of?: Partial<FleetVersion>;
  } = {},
): PlacementRequest {
  const { spec, of, ...rest } = over;
  return {
    deployment: aDeployment({ name: "digits", model: "digits", version: 1, ...spec }),
    version: aVersion("digits", 1, of),
    memMiB: 100,
    diskMiB: 100,
    now: NOW,
    ...rest,
  };
}

/** A placement on `edge-a`; of `digits:1` for the deployment `digits`, and ready, unless said otherwise. */
export const onEdgeA = (over: Partial<FleetPlacement> = {}): FleetPlacement => aPlacement(aNode("edge-a"), over);

/** The load of a node, of which `over` is worth mention. */
export const aLoad = (over: Partial<NonNullable<FleetNode["load"]>> = {}): NonNullable<FleetNode["load"]> => ({
  at: NOW,
  cpuPct: 10,
  memFreeMiB: 6_000,
  diskFreeMiB: 90_000,
  rttMs: 1,
  rif: 0,
  placements: [],
  ...over,
});

/** What a filter says of the candidate; undefined: it fits. */
export const refusalOn = (filter: Filter, candidate: Candidate, request: PlacementRequest) =>
  filter.refuse(candidate, request, ownPlacements(candidate, request));

/** What a score gives the candidate, which is one of `candidates`. */
export const scoreOn = (
  score: Score,
  candidate: Candidate,
  request: PlacementRequest,
  candidates: readonly Candidate[],
): Scored =>
  scoredBy(score, candidate, {
    request,
    seen: { own: ownPlacements(candidate, request), byZone: replicasByZone(candidates, request) },
  });

const anyPlacement = fc
  .record({
    number: fc.nat(99),
    model: fc.constantFrom("digits", "faces"),
    version: fc.integer({ min: 1, max: 3 }),
    state: fc.constantFrom(...PLACEMENT_STATES),
    warmUs: fc.option(fc.nat(10_000_000), { nil: undefined }),
  })
  .map(({ number, ...over }) => onEdgeA({ ...over, deployment: over.model, id: `p-${number}` as PlacementId }));

const anyNode = fc
  .record({
    kind: fc.constantFrom("edge" as const, "cloud" as const),
    zone: fc.constantFrom("a", "b", "c"),
    cost: fc.option(fc.oneof(fc.double({ noNaN: true }).map(String), fc.constantFrom("", "free", "NaN", "-1")), {
      nil: undefined,
    }),
    load: fc.option(
      fc.record({ cpuPct: fc.double({ min: 0, max: 100, noNaN: true }), rttMs: fc.double({ min: 0, noNaN: true }) }),
      { nil: undefined },
    ),
  })
  .map(({ kind, zone, cost, load }) => ({
    kind,
    zone,
    labels: cost === undefined ? {} : { "skerry.dev/cost": cost },
    load: load && aLoad(load),
  }));

const anyCandidate = fc
  .record({
    of: anyNode,
    placements: fc.array(anyPlacement, { maxLength: 8 }),
    reservedMiB: fc.nat(20_000),
    usableMiB: fc.nat(20_000),
  })
  .map(aCandidate);

const anyRequest = fc
  .record({ memMiB: fc.nat(20_000), bytes: fc.nat(2 ** 31 - 1), p95Ms: fc.option(fc.integer({ min: 1, max: 60_000 })) })
  .map(({ memMiB, bytes, p95Ms }) =>
    aRequest({ memMiB, of: { bytes }, spec: p95Ms === null ? {} : { slo: { p95Ms } } }),
  );

/** A candidate, others and a request for which the score is not finite, not from 0 to 100, or not the same when asked again. */
export function unboundedCase(score: Score): unknown {
  const others = fc.array(anyCandidate, { maxLength: 4 });
  const property = fc.property(anyCandidate, others, anyRequest, (candidate, others, request) => {
    const ask = () => scoreOn(score, candidate, request, [candidate, ...others]);
    const { score: points, raw } = ask();
    const isBounded = Number.isFinite(points) && points >= 0 && points <= 100;
    return isBounded && !/NaN|undefined/.test(raw) && ask().score === points;
  });
  return fc.check(property).counterexample;
}
