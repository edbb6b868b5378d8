import type { NodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { nodeState, type NodeTimings } from "../../core/fleet/node-status.ts";
import type { FleetNode } from "../../core/fleet/types.ts";
import type { ControlChannel, InferenceChannel } from "../../ports/nodes/channels.ts";
import type { NodeIdentityRow } from "../../ports/nodes/nodes.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import { PendingRequests } from "../inference/pending-requests.ts";
import type { RequestPath } from "../inference/request-path.ts";
import { TransferState } from "../transfer/transfer-state.ts";
import { DesiredStateSync } from "./desired-state-sync.ts";
import { Liveness } from "./liveness.ts";

/**
 * One node's session on this replica. It composes what belongs to the session; each part owns its state. The session
 * itself owns only which inference channel is open.
 */
export class NodeSession implements RequestPath {
  readonly nodeId: NodeId;
  readonly kind: NodeKind;
  readonly epoch: number;
  /** Of the process that opened it. */
  readonly bootId: string;
  /** Where that process is: `10.0.0.7:51234`. */
  readonly address: string;
  readonly control: ControlChannel;
  readonly pending = new PendingRequests();
  readonly hopMs = 0;
  readonly desired: DesiredStateSync;
  readonly liveness: Liveness;
  readonly transfers = new TransferState();
  readonly #fleet: Pick<FleetCache, "snapshot">;
  #name: string;
  #identity: NodeIdentityRow;
  #inference: InferenceChannel | undefined;
  #isHandedOver = false;

  constructor(parts: {
    readonly nodeId: NodeId;
    readonly name: string;
    readonly kind: NodeKind;
    readonly epoch: number;
    readonly bootId: string;
    readonly address: string;
    readonly identity: NodeIdentityRow;
    readonly control: ControlChannel;
    readonly fleet: Pick<FleetCache, "snapshot">;
    readonly clock: Clock;
  }) {
    this.nodeId = parts.nodeId;
    this.#fleet = parts.fleet;
    this.#name = parts.name;
    this.kind = parts.kind;
    this.epoch = parts.epoch;
    this.bootId = parts.bootId;
    this.address = parts.address;
    this.#identity = parts.identity;
    this.control = parts.control;
    this.desired = new DesiredStateSync(parts);
    this.liveness = new Liveness(parts.clock);
  }

  /** An operator may rename the node while it is connected. */
  get name(): string {
    this.#name = this.#fleet.snapshot().nodes.get(this.nodeId)?.name ?? this.#name;
    return this.#name;
  }

  /** What the proofs of its channels are checked against. */
  get identity(): NodeIdentityRow {
    return this.#identity;
  }

  /** Its node has the key `publicKey` from now on; the channels that it is opening may still be proved by the one before. */
  keyRotated(publicKey: string): void {
    this.#identity = { ...this.#identity, publicKey, previousKey: this.#identity.publicKey, keyAgeMs: 0 };
  }

  /** The key before proves no channel any more. */
  previousKeyEnded(): void {
    this.#identity = { ...this.#identity, previousKey: null };
  }

  /** The open inference channel; undefined when requests cannot be sent to the node. */
  get inference(): InferenceChannel | undefined {
    return this.#inference;
  }

  /** Its node was asked to open a session at another control plane. It still answers on this one until that closes. */
  get isHandedOver(): boolean {
    return this.#isHandedOver;
  }

  /** Notes when the newest byte came on its channels. */
  hear(): void {
    this.liveness.heard(Math.max(this.control.lastByteAt(), this.#inference?.lastByteAt() ?? 0));
  }

  /** Asks the node to open its next session elsewhere in `reconnectMs`. */
  handOver(reconnectMs: number): void {
    this.#isHandedOver = true;
    this.control.send({ type: "goaway", reason: "shutdown", reconnectMs });
  }

  /** From now on requests are sent on `channel`; an older one is closed, and the requests on it are lost. */
  attachInference(channel: InferenceChannel): void {
    const older = this.#inference;
    this.#inference = channel;
    if (!older) return;
    this.pending.loseAll();
    older.close(CLOSE.NEWER_SESSION, "a newer inference channel has opened");
  }

  /** `channel` has closed: the requests on it are lost. One that was replaced has no requests any more. */
  detachInference(channel: InferenceChannel): void {
    if (this.#inference !== channel) return;
    this.#inference = undefined;
    this.pending.loseAll();
  }
}

/** The sessions whose sockets this replica holds, one for each node. */
export class SessionRegistry {
  readonly #sessions = new Map<string, NodeSession>();
  /**
   * Sessions with requests under way, also those that are over but for these, and some whose requests have ended since.
   * They are swept every 50 ms: to walk a thousand idle sessions for that cost 0.6 % of a core.
   */
  readonly #withRequests = new Set<NodeSession>();

  get(nodeId: string): NodeSession | undefined {
    return this.#sessions.get(nodeId);
  }

  /**
   * Whether requests can be sent to the node from here. One that was handed over answers on its old session until that is
   * closed, however far its next one is.
   */
  isRoutable(node: FleetNode, now: number, timings: NodeTimings): boolean {
    const session = this.#sessions.get(node.id);
    return session?.inference !== undefined && (session.isHandedOver || nodeState(node, now, timings) === "ready");
  }

  all(): readonly NodeSession[] {
    return [...this.#sessions.values()];
  }

  /** Sessions with requests under way, those that are over but for these included: each request has its deadline. */
  withRequests(): readonly NodeSession[] {
    for (const session of this.#withRequests) if (session.pending.size === 0) this.#withRequests.delete(session);
    return [...this.#withRequests];
  }

  /** Takes the place of an older session of the same node, and returns that one. */
  add(session: NodeSession): NodeSession | undefined {
    const older = this.#sessions.get(session.nodeId);
    this.#sessions.set(session.nodeId, session);
    session.pending.onFirst(() => this.#withRequests.add(session));
    return older;
  }

  /** False when a newer session has taken its place already. */
  remove(session: NodeSession): boolean {
    if (this.#sessions.get(session.nodeId) !== session) return false;
    return this.#sessions.delete(session.nodeId);
  }
}
