import type { NodeKind } from "../../../../shared/api/v1/nodes/nodes.ts";
import { versionOf } from "../../fleet/queries.ts";
import type { Fleet, FleetDeployment } from "../../fleet/types.ts";
import { targetVersion } from "../../fleet/versions/versions.ts";
import { candidatesOf } from "../candidates/candidate.ts";
import { profileOf, stateFor, type PlanContext } from "../context.ts";
import { needOf } from "../planning/plan-deployment.ts";
import { changesToAdmit } from "./would-change.ts";

/** Nodes that are named with what would admit them. */
const SHOWN = 5;

/**
 * What would give a replica of a kind a place that has none, such as `edge-a: uncordon it`: of the nodes that take the fewest
 * changes, by their names. None while the version that is asked for does not exist.
 */
export function nearestChangesOf(
  fleet: Fleet,
  deployment: FleetDeployment,
  context: PlanContext,
): (kind: NodeKind) => readonly string[] {
  return (kind) => {
    const number = targetVersion(fleet, deployment);
    const version = number === undefined ? undefined : versionOf(fleet, deployment.spec.model, number);
    if (!version) return [];
    const need = needOf(deployment, version, { ...context, fleet });
    const profile = profileOf(context, deployment);
    const known = candidatesOf(fleet, { stateOf: (node) => stateFor(node, context), now: context.now })
      .filter(({ node }) => node.kind === kind)
      .flatMap((candidate) => {
        const changes = changesToAdmit(profile, candidate, need);
        return changes === null || changes.length === 0 ? [] : [{ node: candidate.node.name, changes }];
      });
    const fewest = Math.min(...known.map(({ changes }) => changes.length));
    return known
      .filter(({ changes }) => changes.length === fewest)
      .slice(0, SHOWN)
      .map(({ node, changes }) => `${node}: ${changes.join("; ")}`);
  };
}
