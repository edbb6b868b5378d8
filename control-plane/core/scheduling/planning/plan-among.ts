import type { Fleet, FleetDeployment } from "../../fleet/types.ts";
import { runningRollout } from "../../fleet/versions/versions.ts";
import { candidatesOf, type Candidate } from "../candidates/candidate.ts";
import { stateFor, type PlanContext } from "../context.ts";
import { planVersion, type DeploymentPlan, type Planned, type PlanInput } from "./plan-deployment.ts";
import { planRollout } from "./plan-rollout.ts";

/** What to create, retry and remove so that a deployment has its replicas: of one version, or of the two of a rollout. */
export function planDeployment(fleet: Fleet, deployment: FleetDeployment, context: PlanContext): DeploymentPlan {
  const candidates = candidatesOf(fleet, { stateOf: (node) => stateFor(node, context), now: context.now });
  return planAmong(candidates, { fleet, deployment, context }).plan;
}

/** The same as one of several plans: what it places is on the candidates that the next deployment's plan is given. */
export function planAmong(candidates: readonly Candidate[], input: PlanInput): Planned {
  const rollout = runningRollout(input.deployment);
  return rollout ? planRollout(candidates, { ...input, record: rollout.record }) : planVersion(candidates, input);
}
