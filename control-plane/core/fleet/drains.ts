import type { NodeId } from "../../../shared/base/ids.ts";
import { isWanted, placementsOn } from "./queries.ts";
import type { AnnouncedDrain, Fleet, FleetNode, FleetPlacement } from "./types.ts";

/** The drain of a node has ended, or its deadline has passed. */
export interface DrainTransition {
  readonly nodeId: NodeId;
  /** Of the drain that was looked at; another one makes the write `stale`. */
  readonly revision: number;
  readonly to: AnnouncedDrain;
  readonly event: {
    readonly type: "Normal" | "Warning";
    readonly reason: "NodeDrained" | "NodeDrainOverdue";
    readonly object: string;
    readonly message: string;
  };
}

/** Whether a drain is past its deadline with something left on the node. */
export const isOverdue = ({ drain }: Pick<FleetNode, "drain">, left: readonly unknown[], now: number): boolean =>
  drain !== undefined && left.length > 0 && now >= drain.deadline;

/** What is to be removed though it has no successor, as the deadline of its node's drain has passed. */
export const mustLeave = ({ draining, drain }: FleetNode, now: number): boolean =>
  draining && drain?.removes === true && now >= drain.deadline;

/** What a drain still waits for, a sentence for each placement that the node holds. */
export const waitsFor = (left: readonly FleetPlacement[]): readonly string[] =>
  left
    .map((placement) => {
      const { model, version, deployment, state } = placement;
      const name = `${model}:${version}${deployment === undefined ? "" : ` of ${deployment}`}`;
      if (!isWanted(placement)) return `${name} leaves: its requests end`;
      return `${name} (${state}) stays until enough others are ready elsewhere`;
    })
    .toSorted();

/**
 * Drains with a deadline of which something is to be announced: each end, and each deadline that passes, once over all changes of the leader.
 */
export function drainTransitions(fleet: Fleet, now: number): readonly DrainTransition[] {
  const found: DrainTransition[] = [];
  for (const { id: nodeId, name, draining, drain } of fleet.nodes.values()) {
    if (!draining || drain === undefined || drain.announced === "done") continue;
    const left = placementsOn(fleet, nodeId);
    const { revision } = drain;
    const object = `node/${name}`;
    if (left.length === 0) {
      const message = `${name} is drained: it holds nothing`;
      found.push({ nodeId, revision, to: "done", event: { type: "Normal", reason: "NodeDrained", object, message } });
    } else if (now >= drain.deadline && drain.announced === undefined) {
      const why = waitsFor(left).join("; ");
      const next = drain.removes ? "what is left is removed now" : "the drain goes on";
      const message = `the drain of ${name} is past its deadline, ${next}: ${why}`;
      found.push({
        nodeId,
        revision,
        to: "overdue",
        event: { type: "Warning", reason: "NodeDrainOverdue", object, message },
      });
    }
  }
  return found;
}

/** When the next deadline of a drain passes, in ms of the fleet's clock; `Infinity`: none will. */
export function nextDeadline({ nodes }: Pick<Fleet, "nodes">, now: number): number {
  let next = Infinity;
  for (const { draining, drain } of nodes.values())
    if (draining && drain !== undefined && drain.deadline > now) next = Math.min(next, drain.deadline);
  return next;
}
