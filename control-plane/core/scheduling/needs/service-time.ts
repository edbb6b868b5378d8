import type { NodeKind } from "../../../../shared/api/v1/nodes/nodes.ts";
import { placementsOfDeployment } from "../../fleet/queries.ts";
import type { Fleet } from "../../fleet/types.ts";

/** What a request takes on nodes of a kind, in µs; undefined: it was measured on none. */
export type ServiceTimes = Readonly<Record<NodeKind, number | undefined>>;

/**
 * The median of what the replicas of a deployment were measured to take, by kind of node; where one has none, that of all. It
 * stands for nodes on which the model never ran, which would look as if they took no time.
 */
export function serviceTimesOf(fleet: Fleet, deployment: string): ServiceTimes | undefined {
  const byKind: Record<NodeKind, number[]> = { edge: [], cloud: [] };
  for (const { nodeId, warmUs } of placementsOfDeployment(fleet, deployment)) {
    const kind = fleet.nodes.get(nodeId)?.kind;
    if (kind !== undefined && warmUs !== undefined) byKind[kind].push(warmUs);
  }
  const all = medianOf([...byKind.edge, ...byKind.cloud]);
  return all === undefined ? undefined : { edge: medianOf(byKind.edge) ?? all, cloud: medianOf(byKind.cloud) ?? all };
}

/** The lower one of an even number. */
const medianOf = (values: readonly number[]): number | undefined =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
