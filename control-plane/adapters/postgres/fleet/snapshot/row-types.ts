import type { NodeKind } from "../../../../../shared/api/v1/nodes/nodes.ts";
import type { Digest } from "../../../../../shared/base/digest.ts";
import type { NodeId, PlacementId } from "../../../../../shared/base/ids.ts";
import type {
  PlacementFailure,
  PlacementState,
  RunSharing,
  WantedState,
} from "../../../../../shared/protocol/placement.ts";
import type { AnnouncedDrain, AnnouncedState, FleetVersion } from "../../../../core/fleet/types.ts";

/** Rows as the snapshot's queries name them. Closed sets are held by CHECK constraints; JSON comes as text. */
export interface NodeRow extends Omit<SessionRow, "nodeId" | "epoch"> {
  readonly id: NodeId;
  readonly name: string;
  readonly kind: NodeKind;
  readonly site: string;
  readonly zone: string;
  readonly labels: string;
  readonly capabilities: string | null;
  readonly generation: number;
  readonly cordoned: boolean;
  readonly draining: boolean;
  /** Null: the drain has no deadline. */
  readonly drainDeadline: number | null;
  readonly drainRemoves: boolean;
  readonly drainAnnounced: AnnouncedDrain | null;
  readonly revoked: boolean;
  /** Null, as the two below, when it may connect. */
  readonly waitingUntil: number | null;
  readonly waitingFrom: string | null;
  readonly waitingKey: string | null;
  readonly desiredRev: number;
  readonly createdAt: number;
  readonly kubernetesNamespace: string | null;
  /** Null: nothing is remembered. */
  readonly history: string | null;
  /** Null, as the rest of the session, until it first connects. */
  readonly epoch: number | null;
}

/** Instants of the database's clock, in ms since 1970. */
export interface SessionRow {
  readonly nodeId: NodeId;
  readonly epoch: number;
  readonly open: boolean;
  readonly openedAt: number;
  readonly replica: string;
  readonly agentVersion: string;
  readonly seenAt: number;
  readonly isReady: boolean;
  readonly load: string | null;
  readonly announced: AnnouncedState | null;
  /** Null when the replica has no row. */
  readonly ownerSeenAt: number | null;
  readonly disconnects: number;
  /** Null: its connection never broke. */
  readonly disconnectedAt: number | null;
}

export interface DeploymentRow {
  readonly name: string;
  readonly spec: string;
  readonly generation: number;
  readonly createdAt: number;
  /** Null, as `statusAt`, until a leader has planned for it. */
  readonly status: string | null;
  readonly observedGeneration: number;
  readonly statusAt: number | null;
  readonly kubernetesNamespace: string | null;
  /** Its newest rollout; null: it had none. */
  readonly rollout: string | null;
}

export interface VersionRow {
  readonly model: string;
  readonly version: number;
  readonly state: FleetVersion["state"];
  readonly artifact: Digest | null;
  readonly damage: string | null;
  readonly bytes: number;
  readonly opset: number | null;
  readonly irVersion: number | null;
  readonly text: string | null;
  readonly encoder: string | null;
  readonly engine: string | null;
  readonly pipeline: string | null;
  readonly variants: string;
  readonly release: string | null;
  readonly createdAt: number;
  readonly inputs: string;
  readonly outputs: string;
}

export interface PlacementRow {
  readonly id: PlacementId;
  readonly deployment: string | null;
  readonly model: string;
  readonly version: number;
  readonly nodeId: NodeId;
  readonly generation: number;
  readonly wanted: WantedState;
  readonly decidedAt: number;
  readonly state: PlacementState;
  readonly stateAt: number;
  readonly failureCode: PlacementFailure | null;
  readonly failureDetail: string | null;
  readonly rssMiB: number | null;
  readonly warmUs: number | null;
  readonly sharing: RunSharing | null;
  readonly limitMiB: number | null;
  readonly measuredMiB: number | null;
  readonly host: string | null;
  readonly attemptMemMiB: number | null;
  readonly attemptAgent: string | null;
}
