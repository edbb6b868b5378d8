import type { NodeState } from "../../../shared/api/v1/nodes.ts";
import type { Fleet } from "../fleet/types.ts";
import { stateFor, type PlanContext } from "../scheduling/context.ts";
import type { Step } from "./steps.ts";

/**
 * The events of nodes whose state differs from `before`, and the states to compare with next time. Silence causes no
 * event by itself: the leader compares, so that a loss and a return are recorded.
 */
export function nodeTransitions(
  fleet: Fleet,
  before: ReadonlyMap<string, NodeState>,
  context: PlanContext,
): { readonly steps: readonly Step<"event">[]; readonly states: ReadonlyMap<string, NodeState> } {
  const states = new Map<string, NodeState>();
  const steps: Step<"event">[] = [];
  for (const node of fleet.nodes.values()) {
    const state = stateFor(node, context);
    const known = before.get(node.id);
    states.set(node.id, state);
    if (state === known) continue;
    const object = `node/${node.name}`;
    if (state === "lost") {
      const seconds = Math.round(context.timings.lostMs / 1_000);
      const message = `${node.name} has been silent for more than ${seconds} s: its placements may move`;
      steps.push({ kind: "event", type: "Warning", reason: "NodeLost", object, message });
    } else if (state === "ready" && known !== undefined) {
      steps.push({ kind: "event", type: "Normal", reason: "NodeReady", object, message: `${node.name} is ready` });
    }
  }
  return { steps, states };
}
