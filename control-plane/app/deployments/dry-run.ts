import type { DeploymentSpec } from "../../../shared/api/v1/deployments.ts";
import type { PlanResponse } from "../../../shared/api/v1/plan.ts";
import { canonicalJson } from "../../../shared/base/digest.ts";
import type { Fleet, FleetDeployment, FleetPlacement } from "../../core/fleet/types.ts";
import type { PlanContext } from "../../core/scheduling/context.ts";
import { planDeployment } from "../../core/scheduling/planning/plan-deployment.ts";

/** What the leader's next plan would do if `spec` were declared now. Nothing is applied. */
export function dryRun(fleet: Fleet, spec: DeploymentSpec, context: PlanContext): PlanResponse {
  const known = fleet.deployments.get(spec.name);
  const change = specChange(known, spec);
  const plan = planDeployment(fleet, declared(known, spec), context);
  const { targetVersion } = plan;
  const describe = (placement: FleetPlacement, why: string) => ({
    placementId: placement.id,
    node: fleet.nodes.get(placement.nodeId)?.name ?? placement.nodeId,
    version: placement.version,
    why,
  });
  return {
    deployment: spec.name,
    spec: change,
    changes: change !== "none" || plan.create.length + plan.retry.length + plan.remove.length > 0,
    targetVersion: targetVersion ?? null,
    wanted: { ...plan.wanted },
    create:
      targetVersion === undefined
        ? []
        : plan.create.map(({ node, record }) => ({
            node,
            kind: record.kind,
            version: targetVersion,
            why: record.sentence,
          })),
    retry: plan.retry.map(({ placement, why }) =>
      describe(placement, `it failed there (${placement.failure?.code ?? "unknown"}) and is tried again: ${why}`),
    ),
    retire: plan.remove.map(({ placement, why }) => describe(placement, why)),
    // Not the shortfall: a dry run is about now, so its sentences have ages and free sizes.
    unplaced:
      plan.records.length === 0
        ? [...plan.shortfall]
        : plan.records.filter(({ chosen }) => chosen.length === 0).map(({ sentence }) => sentence),
    records: [...plan.records],
  };
}

function specChange(known: FleetDeployment | undefined, spec: DeploymentSpec): PlanResponse["spec"] {
  if (!known) return "create";
  return canonicalJson(known.spec) === canonicalJson(spec) ? "none" : "update";
}

const declared = (known: FleetDeployment | undefined, spec: DeploymentSpec): FleetDeployment => ({
  name: spec.name,
  spec,
  generation: (known?.generation ?? 0) + 1,
  createdAt: known?.createdAt ?? 0,
  status: undefined,
});
