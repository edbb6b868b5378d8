import type { RolloutNode } from "../../../shared/api/v1/rollouts/rollouts.ts";
import { isEqual } from "../fleet/changes/equal.ts";

/** What is to be written of the nodes of a rollout: a step changes a few of thousands. */
export interface ChangedNodes {
  /** New ones, and those that are otherwise than before. */
  readonly written: readonly RolloutNode[];
  /** Ids of those that belong to it no more. */
  readonly removed: readonly string[];
}

export function changedNodes(before: readonly RolloutNode[], after: readonly RolloutNode[]): ChangedNodes {
  const known = new Map(before.map((node) => [node.nodeId, node]));
  const present = new Set(after.map(({ nodeId }) => nodeId));
  return {
    written: after.filter((node) => !isEqual(known.get(node.nodeId), node)),
    removed: before.map(({ nodeId }) => nodeId).filter((id) => !present.has(id)),
  };
}
