import { nodeKind } from "../../../shared/api/v1/nodes.ts";
import { versionOf } from "../fleet/queries.ts";
import type { Fleet, FleetDeployment } from "../fleet/types.ts";
import { candidatesOf } from "./candidate.ts";
import { profileOf, stateFor, type PlanContext } from "./context.ts";
import { needOf, type DeploymentPlan } from "./planning/plan-deployment.ts";
import { rank, type Rejection } from "./rank.ts";

/**
 * Every node of the kinds of which a replica has no place, with the first filter that refuses it: an explain record names
 * only some of them.
 */
export function refusalsOf(
  fleet: Fleet,
  deployment: FleetDeployment,
  { plan, ...context }: PlanContext & { readonly plan: DeploymentPlan },
): readonly Rejection[] {
  const { targetVersion, records } = plan;
  const version = targetVersion === undefined ? undefined : versionOf(fleet, deployment.spec.model, targetVersion);
  if (version?.state !== "ready") return [];
  const candidates = candidatesOf(fleet, { stateOf: (node) => stateFor(node, context), now: context.now });
  const need = needOf(deployment, version, context.now);
  return nodeKind.options
    .filter((kind) => records.some((record) => record.kind === kind && record.chosen.length === 0))
    .flatMap((kind) => {
      const ofKind = candidates.filter(({ node }) => node.kind === kind);
      return rank(ofKind, need, profileOf(context)).rejections;
    });
}
