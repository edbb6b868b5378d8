import type { JoinTokenInfo, NodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import type { Capabilities } from "../../../shared/protocol/messages/capabilities.ts";
import type { PlacementReport } from "../../../shared/protocol/messages/placement-report.ts";
import type { FleetLoad } from "../../core/fleet/types.ts";
import type { Actor, Requester } from "../access/audit.ts";
import type { NewEvent } from "../events.ts";
import type { LeaderFence } from "../plan.ts";

export interface JoinAttempt {
  readonly tokenId: string;
  /** Hex SHA-256 of the secret. */
  readonly secretHash: string;
  readonly name: string;
  readonly kind: NodeKind;
  readonly publicKey: string;
  readonly newNodeId: NodeId;
  /** For the audit. */
  readonly from: Requester;
}

/** A pod that Kubernetes vouches for and whose key is proved. */
export interface PodJoinAttempt {
  readonly podUid: string;
  readonly name: string;
  readonly site: string;
  readonly zone: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly publicKey: string;
  readonly newNodeId: NodeId;
  /** For the audit. */
  readonly from: Requester;
}

/** A node that a pod became. */
export interface PodNode {
  readonly name: string;
  readonly podUid: string;
}

export interface JoinedNode {
  readonly nodeId: NodeId;
  readonly generation: number;
  readonly kind: NodeKind;
  readonly site: string;
  readonly zone: string;
  /** It may not connect before an operator has approved it. */
  readonly isWaiting?: boolean;
  /** It took the place of another machine. */
  readonly isReplacement?: boolean;
}

export interface SessionOpening {
  readonly nodeId: NodeId;
  readonly generation: number;
  /** The highest epoch that the node has seen, which may be above ours after a restore. */
  readonly lastEpoch: number;
  /** The desired revision that the node has on disk. */
  readonly desiredRev: number;
  readonly replica: string;
  readonly bootId: string;
  readonly agentVersion: string;
  readonly capabilities: Capabilities;
}

export interface Replica {
  readonly id: string;
  /** `host:port`. */
  readonly address: string;
  /** How the others know it; undefined: not at all. */
  readonly peer?: {
    /** Where they dial it; null: they cannot. */
    readonly url: string | null;
    /** What it proves itself by when it dials them: Ed25519, base64url. */
    readonly publicKey: string;
  };
}

/** Another control plane as this one finds it. */
export type Peer = Pick<Replica, "id"> & NonNullable<Replica["peer"]>;

export interface TouchedSession {
  readonly nodeId: NodeId;
  readonly epoch: number;
  /** Since a byte of it last arrived, in ms. */
  readonly ageMs: number;
  readonly isReady: boolean;
  readonly load: FleetLoad | undefined;
}

/** A process with the identity of a node whose session another process may hold. */
export interface Clone {
  readonly nodeId: NodeId;
  readonly bootId: string;
  /** Where it is: `10.0.0.7:51234`. */
  readonly address: string;
}

export interface SessionStore {
  /**
   * Uses the token and makes the node, or returns the same node when the same token and key come again within the token's
   * life. Null: token unknown, wrong, expired, used up by other keys, or for another name or kind. Throws `NAME_TAKEN`, and
   * `TOO_MANY_WAITING` when the node would wait for an approval and too many do.
   */
  join(attempt: JoinAttempt): Promise<JoinedNode | null>;
  /** What is needed to check a node's signature; null when unknown. */
  identity(nodeId: string): Promise<NodeIdentityRow | null>;
  /**
   * Records the key `to` in place of `from`, which is taken for a day more, with an audit entry and an event. True also when
   * `to` is recorded already. False when the node's key is another one, or its identity void.
   */
  rotateKey(rotation: {
    readonly nodeId: NodeId;
    readonly generation: number;
    readonly from: string;
    readonly to: string;
    readonly address: string;
  }): Promise<boolean>;
  /**
   * Epoch = max(stored, lastEpoch) + 1. When the node's revision is ahead of the row, the row continues at the node's
   * + 1 and `regressed` is true. Null when the node is unknown, revoked or of another generation.
   */
  open(opening: SessionOpening): Promise<{ epoch: number; desiredRev: number; regressed: boolean } | null>;
  /** Records what the node can do now. False, without effect, when the session's epoch is not the newest. */
  changeCapabilities(session: { nodeId: NodeId; epoch: number }, capabilities: Capabilities): Promise<boolean>;
  /**
   * Another process with this identity has a session at another replica that lives: for how long nothing came from it, as far as
   * that is recorded, in ms. Null: none has.
   */
  heldElsewhere(opening: Pick<SessionOpening, "nodeId" | "bootId" | "replica">): Promise<{ silentMs: number } | null>;
  /** Asks all control planes, of which one may hold the node's session, whether its process lives: another one asks for a session. */
  announceClone(clone: Clone): Promise<void>;
  /** Records that something came from the process of this session `ageMs` ago. */
  heard(session: { nodeId: NodeId; epoch: number; ageMs: number }): Promise<void>;
  /** Marks the session closed, and records how often the node's connection broke lately. False when a newer one has taken over. */
  close(nodeId: NodeId, epoch: number, disconnects?: number): Promise<boolean>;
  /** Records that `replica` lives and listens at `address`, where no other one can: the row of an earlier one goes. */
  enter(replica: Replica): Promise<void>;
  /** Whether another replica recorded within 16 s that it lives. */
  hasOthers(replicaId: string): Promise<boolean>;
  /** The other replicas that recorded within 16 s that they live, but those of a version that cannot be a peer. */
  peers(replicaId: string): Promise<readonly Peer[]>;
  /** The replica stops: its row goes. */
  leave(replicaId: string): Promise<void>;
  /**
   * Records in one statement that the replica lives and what it observed of these sessions. Those with another epoch are
   * passed over. `areAll`: the replica has no others, so what else the rows call an open session of it is closed.
   */
  touch(replica: Replica, sessions: readonly TouchedSession[], about: { readonly areAll: boolean }): Promise<void>;
  /**
   * Writes what a node reports of its placements. A report with another generation, or of a placement that is not this
   * node's, changes nothing. False when the session's epoch is not the newest: the caller closes the socket 4409.
   */
  report(
    session: { nodeId: NodeId; epoch: number },
    reports: readonly PlacementReport[],
    events: readonly NewEvent[],
  ): Promise<boolean>;
}

/** The nodes that are pods of a Kubernetes cluster. */
export interface PodNodeStore {
  /**
   * Makes the node of a pod, or returns the same node when the same pod comes again with the same key. Null when the pod
   * is a node with another key. A node that an earlier pod of the same name left is replaced. Throws `NAME_TAKEN` when the
   * name is a node's that is no pod.
   */
  joinPod(attempt: PodJoinAttempt): Promise<JoinedNode | null>;
  /** The nodes that pods became. */
  podNodes(): Promise<readonly PodNode[]>;
  /**
   * The node's pod is gone. The first call makes the identity void, which closes its sockets on every replica, and
   * announces `event`; the next one deletes the row. Changes nothing when it is not the node of that pod any more, and
   * nothing when the lease was lost.
   */
  removePodNode(fence: LeaderFence, node: PodNode, event: NewEvent): Promise<void>;
}

export interface NodeAdminStore {
  /**
   * Changes flags or labels, raises `desired_rev` when a flag changes. `kubernetesNamespace`: of the custom resource that
   * declares them from now on, or null for none. Throws `NOT_FOUND`, `STALE_ETAG`, and `CONFLICT` when another declares them;
   * for another `name` `NAME_TAKEN`, and `CONFLICT` when the node is a pod or has never connected;
   * for another `site` or `zone` `CONFLICT` when it is a pod, of which Kubernetes says both.
   */
  update(
    name: string,
    change: {
      name?: string;
      cordoned?: boolean;
      draining?: boolean;
      /** Of a drain that begins; null: without a deadline. A drain that ends has none. */
      drain?: { deadlineSeconds: number; removes: boolean } | null;
      labels?: Record<string, string>;
      site?: string;
      zone?: string;
      kubernetesNamespace?: string | null;
    },
    context: { actor: Actor; ifMatch: number | undefined; event: NewEvent | undefined },
  ): Promise<void>;
  /** Makes the identity void: `revoked`, generation + 1; its placements are `gone`. Throws `NOT_FOUND`. */
  revoke(name: string, context: { actor: Actor; event: NewEvent }): Promise<void>;
  /**
   * The node that waits may connect. Without effect on one that may already. Throws `NOT_FOUND`, `STALE_ETAG`, and `CONFLICT`
   * when it was rejected, has waited for too long, or its key is not `publicKey`.
   */
  approve(
    name: string,
    context: { actor: Actor; ifMatch: number | undefined; publicKey: string | undefined; event: NewEvent },
  ): Promise<void>;
  /** Makes the identity of a node that waits void. Throws `NOT_FOUND`, `STALE_ETAG`, and `CONFLICT` when it does not wait. */
  reject(name: string, context: { actor: Actor; ifMatch: number | undefined; event: NewEvent }): Promise<void>;
  /** The row's version, for ETags. Null when unknown. */
  rowVersion(name: string): Promise<number | null>;
  createToken(
    token: {
      id: string;
      secretHash: string;
      kind: NodeKind;
      site: string;
      zone: string;
      name: string | undefined;
      labels: Record<string, string>;
      ttlSeconds: number;
      uses: number;
      needsApproval?: boolean;
    },
    actor: Actor,
  ): Promise<JoinTokenInfo>;
  /**
   * A token for a machine that takes the place of the node `name` as it is now: of several the first that is used counts.
   * Throws `NOT_FOUND`, also when it was removed, and `CONFLICT` when it waits for an approval or is a pod.
   */
  createReplaceToken(
    name: string,
    token: { id: string; secretHash: string; ttlSeconds: number },
    context: { actor: Actor; why: string },
  ): Promise<JoinTokenInfo>;
  listTokens(): Promise<readonly JoinTokenInfo[]>;
  /** Throws `NOT_FOUND`. */
  deleteToken(id: string, actor: Actor): Promise<void>;
}

export interface NodeIdentityRow {
  readonly name: string;
  readonly kind: NodeKind;
  readonly publicKey: string;
  /** The key before it, while that is taken too. */
  readonly previousKey?: string | null;
  /** Since the key was recorded, by the database's clock, in ms. Left out: it is new. */
  readonly keyAgeMs?: number;
  readonly generation: number;
  readonly revoked: boolean;
  /** No operator has approved it yet. */
  readonly isWaiting?: boolean;
}
