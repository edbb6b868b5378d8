import type { NodeState } from "../../../shared/api/v1/nodes/nodes.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import type { AnnouncedState, Fleet, FleetNode } from "./types.ts";

/** A node that has become something that is worth an event. */
export interface Transition {
  readonly nodeId: NodeId;
  /** What was announced of it last. It is announced only while this still holds, so nothing is announced twice. */
  readonly from: AnnouncedState | undefined;
  readonly to: AnnouncedState;
  readonly event: {
    readonly type: "Normal" | "Warning";
    readonly reason: "NodeReady" | "NodeDetached" | "NodeLost";
    readonly object: string;
    readonly message: string;
  };
}

/**
 * The difference between what each node is and what was last announced of it. Silence causes no event by itself, so the
 * leader compares; and since the announcement is recorded, a new leader or a restart announces nothing again.
 */
export function transitions(
  fleet: Fleet,
  context: { readonly stateOf: (node: FleetNode) => NodeState; readonly lostMs: number },
): readonly Transition[] {
  const found: Transition[] = [];
  for (const node of fleet.nodes.values()) {
    if (!node.session) continue;
    const to = toAnnounce(context.stateOf(node), node.session.announced);
    if (!to) continue;
    found.push({ nodeId: node.id, from: node.session.announced, to, event: eventOf(node.name, to, context.lostMs) });
  }
  return found;
}

function toAnnounce(state: NodeState, announced: AnnouncedState | undefined): AnnouncedState | undefined {
  if (state === announced) return undefined;
  if (state === "ready" || state === "lost") return state;
  // What is lost already is not less lost because a new leader waits before it moves anything.
  return state === "detached" && announced === "ready" ? state : undefined;
}

function eventOf(name: string, to: AnnouncedState, lostMs: number): Transition["event"] {
  const object = `node/${name}`;
  switch (to) {
    case "ready":
      return { type: "Normal", reason: "NodeReady", object, message: `${name} is ready` };
    case "detached": {
      const message = `the control-plane replica that held the session of ${name} is gone; it gets no new requests until it has connected to another one`;
      return { type: "Warning", reason: "NodeDetached", object, message };
    }
    case "lost": {
      const message = `${name} has been silent for more than ${Math.round(lostMs / 1_000)} s: its placements may move`;
      return { type: "Warning", reason: "NodeLost", object, message };
    }
  }
}
