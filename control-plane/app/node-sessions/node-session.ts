import type { NodeKind } from "../../../shared/api/v1/nodes.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import type { DesiredState } from "../../../shared/protocol/desired.ts";
import type { ControlLink, InferenceLink } from "../../ports/sockets.ts";
import { PendingRequests } from "../inference/pending-requests.ts";

/** One node's presence on this replica: its channels, and what we told each other since it came. */
export class NodeSession {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly kind: NodeKind;
  readonly epoch: number;
  readonly control: ControlLink;
  readonly pending = new PendingRequests();
  inference: InferenceLink | undefined;
  /** Id of our newest `welcome` or `heartbeat.ack`: a heartbeat that names it proves both directions. */
  lastAckId = -1;
  /** Id of the one before it. */
  ackBeforeId = -1;
  /** The document that the node got last; undefined before the first. */
  sentDesired: { readonly rev: number; readonly state: DesiredState; readonly digest: string } | undefined;
  /** The revision that is on the node's disk. */
  ackedRev = -1;
  /** When `sentDesired` went out, while its ack is missing. */
  unackedSince: number | undefined;
  /** Placements that the node called `offered`: it lacks the bytes. */
  readonly waiting = new Set<string>();
  /** Artifact → time before which it must not be offered again. */
  readonly notBefore = new Map<string, number>();
  /** Newest time, by our clock, at which the adapter saw a byte on any of its sockets. */
  lastHeard: number;

  constructor(node: {
    nodeId: NodeId;
    name: string;
    kind: NodeKind;
    epoch: number;
    control: ControlLink;
    now: number;
  }) {
    this.nodeId = node.nodeId;
    this.name = node.name;
    this.kind = node.kind;
    this.epoch = node.epoch;
    this.control = node.control;
    this.lastHeard = node.now;
  }
}

/** The sessions whose sockets this replica holds, one for each node. */
export class SessionRegistry {
  readonly #sessions = new Map<string, NodeSession>();
  /** Sessions that are over but for the requests on their inference channel, which may still end. */
  readonly #leaving = new Set<NodeSession>();

  get(nodeId: string): NodeSession | undefined {
    return this.#sessions.get(nodeId);
  }

  all(): readonly NodeSession[] {
    return [...this.#sessions.values()];
  }

  /** Sessions with requests under way, those that are leaving included: each of these requests has its deadline. */
  withRequests(): readonly NodeSession[] {
    for (const session of this.#leaving) if (session.pending.size === 0) this.#leaving.delete(session);
    return [...this.#sessions.values(), ...this.#leaving].filter(({ pending }) => pending.size > 0);
  }

  /** Takes the place of an older session of the same node, and returns that one. */
  add(session: NodeSession): NodeSession | undefined {
    const older = this.#sessions.get(session.nodeId);
    this.#sessions.set(session.nodeId, session);
    if (older) this.#leaving.add(older);
    return older;
  }

  /** False when a newer session has taken its place already. */
  remove(session: NodeSession): boolean {
    if (this.#sessions.get(session.nodeId) !== session) return false;
    this.#leaving.add(session);
    return this.#sessions.delete(session.nodeId);
  }
}
