import { nodeKind } from "../../../../shared/api/v1/nodes/nodes.ts";
import { versionOf } from "../../fleet/queries.ts";
import type { Fleet, FleetDeployment } from "../../fleet/types.ts";
import type { Candidate } from "../candidates/candidate.ts";
import { profileOf, type PlanContext } from "../context.ts";
import { needOf, type DeploymentPlan } from "../planning/plan-deployment.ts";
import { rank, type Rejection } from "../candidates/rank.ts";

/**
 * Every node of the kinds of which a replica has no place, with the first filter that refuses it: an explain record names
 * only some of them.
 */
export function refusalsOf(
  candidates: readonly Candidate[],
  {
    fleet,
    deployment,
    plan,
    context,
  }: {
    readonly fleet: Fleet;
    readonly deployment: FleetDeployment;
    readonly plan: DeploymentPlan;
    readonly context: PlanContext;
  },
): readonly Rejection[] {
  const { targetVersion, records } = plan;
  const version = targetVersion === undefined ? undefined : versionOf(fleet, deployment.spec.model, targetVersion);
  if (version?.state !== "ready") return [];
  const need = needOf(deployment, version, { ...context, fleet });
  return nodeKind.options
    .filter((kind) => records.some((record) => record.kind === kind && record.chosen.length === 0))
    .flatMap((kind) => {
      const ofKind = candidates.filter(({ node }) => node.kind === kind);
      return rank(ofKind, need, { profile: profileOf(context, deployment) }).rejections;
    });
}
