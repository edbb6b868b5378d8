import type { ExplainResponse } from "../../../shared/api/v1/explain.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { isWanted, nodeByName, placementsOfDeployment } from "../../core/fleet/queries.ts";
import type { Fleet, FleetDeployment } from "../../core/fleet/types.ts";
import type { PlanContext } from "../../core/scheduling/context.ts";
import { planDeployment } from "../../core/scheduling/planning/plan-among.ts";
import { whyNot } from "../../core/scheduling/why-not.ts";
import type { CascadeState } from "../inference/cascades.ts";
import { age } from "../nodes/node-dto.ts";
import { cascadeView } from "./cascade-view.ts";

/** The record that chose each placement, what would be decided now and, with `node`, that node against every filter. */
export function explainDeployment(
  fleet: Fleet,
  deployment: FleetDeployment,
  {
    node,
    cascade,
    ...context
  }: PlanContext & { readonly node: string | undefined; readonly cascade?: CascadeState | undefined },
): ExplainResponse {
  if (node !== undefined && !nodeByName(fleet, node)) throw new SkerryError("NOT_FOUND", `there is no node ${node}`);
  const placements = placementsOfDeployment(fleet, deployment.name).filter(isWanted);
  return {
    deployment: deployment.name,
    placements: placements.map((placement) => ({
      placementId: placement.id,
      node: fleet.nodes.get(placement.nodeId)?.name ?? placement.nodeId,
      state: placement.state,
      decidedAgeMs: age(context.now, placement.decidedAt),
      sharing: placement.sharing ? { ...placement.sharing } : null,
      explain: placement.explain,
    })),
    now: [...planDeployment(fleet, deployment, context).records],
    cascade:
      deployment.spec.cascade && cascade
        ? cascadeView(fleet, deployment.spec.cascade, { ...context, state: cascade })
        : null,
    whyNot: node === undefined ? null : whyNot(fleet, deployment, node, context),
  };
}
