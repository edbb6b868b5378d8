import { isWanted, placementsOfDeployment, versionOf } from "../../../../control-plane/core/fleet/queries.ts";
import type { Fleet, FleetDeployment } from "../../../../control-plane/core/fleet/types.ts";
import {
  candidatesOf,
  ownPlacements,
  withPlacement,
} from "../../../../control-plane/core/scheduling/candidates/candidate.ts";
import { stateFor, type PlanContext } from "../../../../control-plane/core/scheduling/context.ts";
import { placementOn } from "../../../../control-plane/core/scheduling/planning/place-replicas.ts";
import { needOf } from "../../../../control-plane/core/scheduling/planning/plan-deployment.ts";
import { DEFAULT_PROFILE } from "../../../../control-plane/core/scheduling/profile.ts";
import {
  firstRefusal,
  pointsOfNode,
  pointsOfZone,
  replicasByZone,
} from "../../../../control-plane/core/scheduling/candidates/rank.ts";
import { aPlacement } from "../../../support/fleet/fleet-builder.ts";

/**
 * The obvious planner: for each replica it asks every filter about every node, then every score about those that fit, and
 * takes the best. It records nothing. Returns how many replicas it placed.
 */
export function placePlainly(fleet: Fleet, deployments: readonly FleetDeployment[], context: PlanContext): number {
  const candidates = candidatesOf(fleet, { stateOf: (node) => stateFor(node, context), now: context.now });
  let placed = 0;
  for (const deployment of deployments) {
    const version = versionOf(fleet, deployment.spec.model, 1);
    if (!version) continue;
    const need = needOf(deployment, version, context);
    for (const kind of ["edge", "cloud"] as const) {
      const present = placementsOfDeployment(fleet, deployment.name).filter(isWanted).length;
      for (let replica = present; replica < deployment.spec.placement[kind].min; replica += 1) {
        const byZone = replicasByZone(candidates, need);
        let [best, most] = [-1, -Infinity];
        for (const [place, candidate] of candidates.entries()) {
          if (candidate.node.kind !== kind || firstRefusal(DEFAULT_PROFILE.filters, candidate, need)) continue;
          const scoring = { profile: DEFAULT_PROFILE, seen: { own: ownPlacements(candidate, need), byZone } };
          const total = pointsOfNode(candidate, need, scoring) + pointsOfZone(candidate, need, scoring);
          if (total > most) [best, most] = [place, total];
        }
        const chosen = candidates[best];
        if (!chosen) break;
        const placement = placementOn(chosen.node.id, need, aPlacement(chosen.node).explain);
        candidates[best] = withPlacement(chosen, placement, need);
        placed += 1;
      }
    }
  }
  return placed;
}
