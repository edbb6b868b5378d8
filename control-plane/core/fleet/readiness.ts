import { nodeState, type NodeTimings } from "./node-status.ts";
import type { Fleet, FleetNode } from "./types.ts";

/** How long after its start a control plane waits for its nodes before it says that it routes, in ms. */
export const NODES_RETURN_MS = 10_000;

export interface ReadinessView {
  readonly now: number;
  readonly startedAt: number;
  readonly timings: NodeTimings;
  /** Whether requests can be sent to the node from here. */
  readonly isRoutable: (node: FleetNode) => boolean;
}

/**
 * Why this control plane should not be sent inference requests; empty when it should. Two reasons: it has just started and
 * nodes that serve have not come back; or all nodes that serve are connected to other control planes, to which it has no link. What PostgreSQL does
 * is none: routing goes on without it. A model that is not ready is none either: no other control plane could answer.
 */
export function whyNotRouting(fleet: Fleet, view: ReadinessView): readonly string[] {
  const { isRoutable } = view;
  const serving = servingNodes(fleet);
  const here = serving.filter(isRoutable);
  const elsewhere = serving.filter((node) => !isRoutable(node) && isReadyElsewhere(node, view));
  const away = serving.filter((node) => isAwaited(node, view)).length;
  if (away > 0) return [`${away} of ${serving.length} nodes that serve are not back since the start`];
  if (here.length === 0 && elsewhere.length > 0)
    return [
      `all ${elsewhere.length} nodes that serve are connected to other control planes, which are not reached from here`,
    ];
  return [];
}

/** Whether the node may be on its way back since the start: it is neither here nor at another control plane. */
export const isAwaited = (node: FleetNode, view: ReadinessView): boolean =>
  view.now - view.startedAt < NODES_RETURN_MS && !view.isRoutable(node) && !isReadyElsewhere(node, view);

function servingNodes(fleet: Fleet): readonly FleetNode[] {
  return [...fleet.nodes.values()].filter(
    ({ id, revoked }) =>
      !revoked &&
      (fleet.placementsOn.get(id) ?? []).some(({ state, wanted }) => state === "ready" && wanted === "serve"),
  );
}

/** By what its owner recorded. */
const isReadyElsewhere = (node: FleetNode, { now, timings }: ReadinessView): boolean =>
  node.observed === undefined && nodeState(node, now, timings) === "ready";
