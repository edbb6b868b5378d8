import type { ExplainRecord } from "../../../../../shared/api/v1/deployments/explain.ts";
import { memo } from "../../../memo.ts";
import { isWanted, placementsOn } from "../../../fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetPlacement } from "../../../fleet/types.ts";
import { roomHeldOn } from "../held.ts";
import { priorityOf } from "./victims.ts";

type Preemptor = NonNullable<ExplainRecord["preemptedBy"]>[number];

/** Placements that were given the room of others, by the deployment of those. */
const byVictim = memo((placements: Fleet["placements"]) => {
  const found = new Map<string, FleetPlacement[]>();
  for (const placement of placements.values()) {
    if (!isWanted(placement)) continue;
    for (const { deployment } of placement.explain.victims ?? []) {
      const known = found.get(deployment);
      if (known) known.push(placement);
      else found.set(deployment, [placement]);
    }
  }
  return found;
});

/** Deployments that were given the room of replicas of this one, on which nodes, and for what. */
export function preemptorsOf(fleet: Fleet, deployment: FleetDeployment): readonly Preemptor[] {
  const found = (byVictim(fleet.placements).get(deployment.name) ?? []).flatMap((placement): Preemptor[] => {
    const by = fleet.deployments.get(placement.deployment ?? "");
    const node = fleet.nodes.get(placement.nodeId);
    // The room of one that was leaving anyway may have gone to any deployment.
    const reason = placement.explain.victims?.find((victim) => victim.deployment === deployment.name)?.reason;
    const isFor = reason !== undefined || (by !== undefined && priorityOf(by) > priorityOf(deployment));
    return by && node && isFor
      ? [{ deployment: by.name, node: node.name, priority: priorityOf(by), ...(reason && { reason }) }]
      : [];
  });
  return found.toSorted((a, b) => (`${a.deployment} ${a.node}` < `${b.deployment} ${b.node}` ? -1 : 1));
}

export function preemptorSentence({ deployment, node, priority, reason }: Preemptor): string {
  const left = `a replica left ${node} to make room for ${deployment}`;
  if (reason === "demand") return `${left}, which was asked more`;
  return reason === "minimum" ? `${left}, which had not its minimum` : `${left}, whose priority is ${priority}`;
}

/** The record of a replica without a place says who has the room of it. */
export function withPreemptors(record: ExplainRecord, preemptors: readonly Preemptor[]): ExplainRecord {
  if (preemptors.length === 0 || record.chosen.length > 0) return record;
  const sentence = [record.sentence, ...preemptors.map(preemptorSentence)].join("; ");
  return { ...record, preemptedBy: [...preemptors], sentence };
}

/** A sentence for each of the placements that loads when those that leave for it have left. */
export function makingRoom(fleet: Fleet, placements: readonly FleetPlacement[]): readonly string[] {
  return placements.flatMap((placement) => {
    const node = fleet.nodes.get(placement.nodeId);
    const victims = placement.explain.victims ?? [];
    if (!node || victims.length === 0 || !roomHeldOn(fleet, node).has(placement.id)) return [];
    const leaving = placementsOn(fleet, node.id).filter(({ wanted }) => wanted === "gone");
    const who = victims.filter(({ placementId }) => leaving.some(({ id }) => id === placementId));
    const names = who.map(({ deployment, modelVersion }) => `${modelVersion} of ${deployment}`).join(", ");
    return [`${placement.model}:${placement.version} loads on ${node.name} when ${names} has left`];
  });
}
