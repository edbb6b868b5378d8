import { toInstant } from "../../../shared/api/v1/common.ts";
import type { Deployment } from "../../../shared/api/v1/deployments.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import type { Fleet, FleetDeployment } from "../../core/fleet/types.ts";
import type { Candidate } from "../../core/scheduling/candidate.ts";
import { planDeployment } from "../../core/scheduling/plan-deployment.ts";
import { deploymentStatus } from "./deployment-status.ts";

export interface DeploymentViewContext {
  readonly now: number;
  readonly timings: NodeTimings;
  /** Where applications reach this control plane, without a slash at the end. */
  readonly publicUrl: string;
  /** The fleet's nodes as candidates, when several deployments are shown at once. */
  readonly candidates?: readonly Candidate[];
}

/** A deployment as the API shows it: what was declared, and what is so now. */
export function toDeploymentDto(fleet: Fleet, deployment: FleetDeployment, context: DeploymentViewContext): Deployment {
  const { now, timings, publicUrl, candidates } = context;
  const plan = planDeployment(fleet, deployment, { now, timings, trigger: "status" }, candidates);
  const url = `${publicUrl}/v2/models/${deployment.spec.model}/infer`;
  return {
    name: deployment.name,
    spec: deployment.spec,
    generation: deployment.generation,
    createdAt: toInstant(deployment.createdAt),
    status: deploymentStatus(fleet, deployment, { plan, now, timings, url }),
  };
}

/** What a selector over deployments may name. */
export const deploymentLabels = ({ spec }: Pick<Deployment, "spec">): Readonly<Record<string, string>> => ({
  name: spec.name,
  model: spec.model,
  version: String(spec.version),
  residency: spec.placement.residency,
});
