import type { Fleet, FleetDeployment, FleetNode, FleetPlacement } from "../../../control-plane/core/fleet/types.ts";
import type { PlanContext } from "../../../control-plane/core/scheduling/context.ts";
import type { PlacementId } from "../../../shared/base/ids.ts";
import { aDeployment, aFleet, aNode, aPlacement, aVersion, NOW, TIMINGS } from "./fleet-builder.ts";

export const context: PlanContext = { now: NOW, timings: TIMINGS, trigger: "test" };
/** A node that has room for `slots` replicas of 1,000 MiB. */
export const nodeWith = (name: string, slots: number, over: Partial<FleetNode> = {}): FleetNode => {
  const node = aNode(name, over);
  return {
    ...node,
    capabilities: node.capabilities && { ...node.capabilities, memMiB: Math.ceil((slots * 1_000) / 0.9) + 10 },
  };
};
export const deploymentOf = (
  name: string,
  over: { priority?: number; min: number; max?: number; memMiB?: number },
): FleetDeployment =>
  aDeployment({
    name,
    model: name,
    version: 1,
    ...(over.priority !== undefined && { priority: over.priority }),
    placement: { edge: { min: over.min, ...(over.max !== undefined && { max: over.max }) } },
    limits: { memMiB: over.memMiB ?? 1_000 },
  });
/** A replica of a deployment on a node, ready unless said otherwise. */
export const on = (node: FleetNode, deployment: string, over: Partial<FleetPlacement> = {}): FleetPlacement =>
  aPlacement(node, { id: `${deployment}-${node.name}` as PlacementId, deployment, model: deployment, ...over });
export const fleetOf = (
  nodes: readonly FleetNode[],
  deployments: readonly FleetDeployment[],
  placements: readonly FleetPlacement[] = [],
): Fleet => aFleet({ nodes, deployments, placements, versions: deployments.map(({ name }) => aVersion(name, 1)) });
/** What demand asks for: edge replicas by deployment. */
export const asking = (replicas: Readonly<Record<string, number>>): PlanContext => ({
  ...context,
  targets: new Map(Object.entries(replicas).map(([name, edge]) => [name, { edge, cloud: 0 }])),
});
