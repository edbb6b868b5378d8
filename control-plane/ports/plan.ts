import type { DeploymentFindings } from "../../shared/api/v1/deployments/deployments.ts";
import type { ExplainRecord } from "../../shared/api/v1/deployments/explain.ts";
import type { RolloutNode, RolloutRecord } from "../../shared/api/v1/rollouts/rollouts.ts";
import type { NodeId, PlacementId } from "../../shared/base/ids.ts";
import type { FleetKeys } from "../core/fleet/changes/fleet-keys.ts";
import type { DrainTransition } from "../core/fleet/drains.ts";
import type { Transition } from "../core/fleet/transitions.ts";
import type { FleetRows, PlacementAttempt, RecordedSession } from "../core/fleet/types.ts";
import type { NewEvent } from "./events.ts";

/** Proof of leadership: compared inside every transaction that executes a step. */
export interface LeaderFence {
  readonly holder: string;
  readonly token: bigint;
}

export interface LeadershipStore {
  /**
   * Takes the lease when it is free or expired, or renews it when `holder` has it. The token rises with every new
   * holder. Returns the fence, or null while somebody else holds the lease. Lease times are the database's. Records in the
   * same statement that the replica `holder` lives, also when it gets no lease.
   */
  acquire(holder: string, leaseMs: number): Promise<LeaderFence | null>;
  /** Gives the lease up early, so that the next leader need not wait. No effect without the lease. */
  release(fence: LeaderFence): Promise<void>;
}

export interface NewPlacement {
  readonly id: PlacementId;
  readonly deployment: string;
  /** The deployment's generation that was planned for: another one makes the write `stale`. */
  readonly deploymentGeneration: number;
  readonly model: string;
  readonly version: number;
  readonly nodeId: NodeId;
  readonly explain: ExplainRecord;
  readonly attempt: PlacementAttempt;
}

export interface PlacementCreation {
  readonly placement: NewPlacement;
  readonly event: NewEvent;
  /** Kept with it. */
  readonly warning?: NewEvent | undefined;
}

/** `fenced`: leadership was lost, stop leading. `stale`: the row moved on, plan again. Neither changed anything. */
export type PlanOutcome = "committed" | "fenced" | "stale";

export interface NewStatus {
  readonly deployment: string;
  /** The deployment's generation that was planned for: another one makes the write `stale`. */
  readonly generation: number;
  readonly findings: DeploymentFindings;
}

/** What is to be written of a deployment's rollouts. */
export interface RolloutWrite {
  readonly deployment: string;
  /** The deployment's generation that was looked at: another one makes the write `stale`. */
  readonly generation: number;
  /**
   * Its newest rollout as it was read: another one, or another revision, makes the write `stale`. Undefined: it has none. Of its
   * nodes only those are written that `newest` has otherwise.
   */
  readonly before:
    | { readonly number: number; readonly revision: number; readonly nodes: readonly RolloutNode[] }
    | undefined;
  /** Takes the place of that one's record; undefined: it stays. */
  readonly newest: RolloutRecord | undefined;
  /** Begins as the next rollout; undefined: none does. */
  readonly next: RolloutRecord | undefined;
  readonly events: readonly NewEvent[];
}

/** Executes plan steps. Every method about a placement raises its node's `desired_rev` in its transaction; all notify all replicas. */
export interface PlanStore {
  /**
   * In one transaction. A placement is stale when its node is cordoned, draining or revoked by now, or holds this version for
   * this deployment. Those that are stale are left out, and the rest is written; `stale` when none is left.
   */
  createPlacements(fence: LeaderFence, creations: readonly PlacementCreation[]): Promise<PlanOutcome>;
  /** Starts a failed placement anew: generation + 1, state `offered`. `stale` unless it is at `generation`. */
  retryPlacement(
    fence: LeaderFence,
    placement: { id: PlacementId; generation: number; attempt: PlacementAttempt },
    event: NewEvent,
  ): Promise<PlanOutcome>;
  /**
   * Sets `wanted` to `gone`; the generation stays. `stale` unless it is at `generation`. `isEvicted`: it makes room for a deployment of no
   * higher priority, which is remembered of its version and node.
   */
  removePlacement(
    fence: LeaderFence,
    placement: { id: PlacementId; generation: number; isEvicted?: boolean },
    event: NewEvent,
  ): Promise<PlanOutcome>;
  /** Replaces a deployment's status. Its row version stays: an operator's `If-Match` is about the spec. */
  writeStatus(fence: LeaderFence, status: NewStatus, events?: readonly NewEvent[]): Promise<PlanOutcome>;
  /** Writes a deployment's rollouts. Where a record enters another phase its nodes get their documents anew. */
  writeRollout(fence: LeaderFence, write: RolloutWrite): Promise<PlanOutcome>;
  /**
   * Records what each node is announced as, and keeps the events, in one transaction. Passes over those of which something
   * else was announced meanwhile; `stale` when that leaves none.
   */
  announce(fence: LeaderFence, transitions: readonly Transition[]): Promise<PlanOutcome>;
  /**
   * Records what each drain is announced as, and keeps the events, in one transaction. Passes over drains that were ended, begun
   * anew or announced so meanwhile; `stale` when that leaves none.
   */
  announceDrains(fence: LeaderFence, drains: readonly DrainTransition[]): Promise<PlanOutcome>;
  /** Begins or ends the drain of a node, which has no deadline then; a cordon is an operator's and stays as it is. `stale` when it is so already, or revoked. */
  setDraining(fence: LeaderFence, node: { id: NodeId; draining: boolean }, event: NewEvent): Promise<PlanOutcome>;
  /** Deletes the row of a placement that is gone from its node. `stale` unless it is `wanted: gone`. */
  deletePlacement(
    fence: LeaderFence,
    placement: { id: PlacementId; generation: number },
    event: NewEvent,
  ): Promise<PlanOutcome>;
}

export interface FleetStore {
  /**
   * One consistent snapshot of the whole, or of what `keys` name; instants are converted to the caller's monotonic clock,
   * whose time is `now`.
   */
  load(now: number, keys?: FleetKeys): Promise<FleetRows>;
  /** What other replicas than `replica` recorded of their sessions, and of themselves. One statement. */
  liveness(replica: string, now: number): Promise<readonly RecordedSession[]>;
}

/** What a committed change was about: rows of the fleet, new events, API keys, what replicas measure of requests. */
export type ChangeTopic = "fleet" | "events" | "keys" | "demand";

/** `keys`: what of the fleet changed; undefined for other topics, and when anything may have. */
export type OnChange = (topic: ChangeTopic, keys?: FleetKeys) => void;

/**
 * Calls with the topic after a committed change by any replica, and with every topic after each reconnect. A lost
 * notification is healed by the caller's poll.
 */
export interface ChangeNotifier {
  listen(onChange: OnChange): Promise<void>;
  stop(): Promise<void>;
}
