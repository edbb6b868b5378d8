import type { ExplainRecord, ExplainResponse } from "../../../shared/api/v1/deployments/explain.ts";
import type { NodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { isWanted, nodeByName, placementsOfDeployment } from "../../core/fleet/queries.ts";
import type { Fleet, FleetDeployment } from "../../core/fleet/types.ts";
import type { PlanContext } from "../../core/scheduling/context.ts";
import { planDeployment } from "../../core/scheduling/planning/plan-among.ts";
import { nearestChangesOf } from "../../core/scheduling/explaining/nearest-changes.ts";
import { everyNode } from "../../core/scheduling/explaining/every-node.ts";
import { whyNot } from "../../core/scheduling/explaining/why-not.ts";
import type { CascadeState } from "../inference/cascade/cascades.ts";
import { age } from "../nodes/node-dto.ts";
import { cascadeView } from "./cascade-view.ts";

/** What is asked for beside the records. */
export interface ExplainQuestion {
  /** A node against every filter. */
  readonly node?: string | undefined;
  /** Every node of the fleet with the first filter that refuses it, or its points. */
  readonly ofAllNodes?: boolean | undefined;
}

/** The record that chose each placement, what would be decided now, and what is asked for beside that. */
export function explainDeployment(
  fleet: Fleet,
  deployment: FleetDeployment,
  {
    node,
    ofAllNodes = false,
    cascade,
    ...context
  }: PlanContext & ExplainQuestion & { readonly cascade?: CascadeState | undefined },
): ExplainResponse {
  if (node !== undefined && !nodeByName(fleet, node)) throw new SkerryError("NOT_FOUND", `there is no node ${node}`);
  const changesFor = nearestChangesOf(fleet, deployment, context);
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
    now: planDeployment(fleet, deployment, context).records.map((record) => withChanges(record, changesFor)),
    cascade:
      deployment.spec.cascade && cascade
        ? cascadeView(fleet, deployment.spec.cascade, { ...context, state: cascade })
        : null,
    nodes: ofAllNodes ? [...everyNode(fleet, deployment, context)] : null,
    whyNot: node === undefined ? null : whyNot(fleet, deployment, node, context),
  };
}

/** A decision that found no node says what would change it; one that chose a node has its margin. */
function withChanges(record: ExplainRecord, changesFor: (kind: NodeKind) => readonly string[]): ExplainRecord {
  return record.chosen.length > 0 ? record : { ...record, wouldChange: [...changesFor(record.kind)] };
}
