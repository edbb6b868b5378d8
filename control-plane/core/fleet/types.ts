import type { VersionRelease } from "../../../shared/protocol/model-files/release.ts";
import type { DeploymentFindings } from "../../../shared/api/v1/deployments/deployments.ts";
import type { DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import type { ExplainRecord } from "../../../shared/api/v1/deployments/explain.ts";
import type { NodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import type { RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import type { NodeId, PlacementId } from "../../../shared/base/ids.ts";
import type { Digest } from "../../../shared/base/digest.ts";
import type { PipelineFacts, TensorSpec } from "../../../shared/protocol/model-files/manifest.ts";
import type { Capabilities } from "../../../shared/protocol/messages/capabilities.ts";
import type { PlacementLoad, StreamReport } from "../../../shared/protocol/messages/load-report.ts";
import type { PlacementFailure, PlacementState, RunSharing, WantedState } from "../../../shared/protocol/placement.ts";
import type { VariantFacts } from "../../../shared/protocol/model-files/variants.ts";
import type { EncoderModel } from "../../../shared/text/encoder-model.ts";
import type { EngineModel } from "../../../shared/text/engine-model.ts";
import type { TextModel } from "../../../shared/text/text-model.ts";

/**
 * The fleet as it was at one moment: an immutable value. What Postgres says (inventory, desired state, sessions) is
 * recorded; what nodes said to this replica since is observed. Every instant is in milliseconds of this replica's
 * monotonic clock, so ages survive a changed date; only `createdAt` is by the calendar (ms since 1970).
 */
export interface Fleet {
  /** Rises with every change that a plan, a route or a desired document may depend on. */
  readonly revision: number;
  readonly nodes: ReadonlyMap<string, FleetNode>;
  readonly deployments: ReadonlyMap<string, FleetDeployment>;
  /** By `versionKey`. */
  readonly versions: ReadonlyMap<string, FleetVersion>;
  /** By `aliasKey`: the version number an alias points at. */
  readonly aliases: ReadonlyMap<string, number>;
  /** By `versionKey`: the aliases that point at a version, sorted. */
  readonly aliasesOf: ReadonlyMap<string, readonly string[]>;
  readonly placements: ReadonlyMap<string, FleetPlacement>;
  /** By node id; nodes without placements are not in it. */
  readonly placementsOn: ReadonlyMap<string, readonly FleetPlacement[]>;
}

export interface FleetNode {
  readonly id: NodeId;
  readonly name: string;
  readonly kind: NodeKind;
  readonly site: string;
  readonly zone: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Unknown until it first connects. */
  readonly capabilities: Capabilities | undefined;
  readonly generation: number;
  readonly cordoned: boolean;
  readonly draining: boolean;
  /** Of a drain that has a deadline. */
  readonly drain?: NodeDrain | undefined;
  readonly revoked: boolean;
  /** While no operator has approved it; undefined: it may connect. */
  readonly waiting?: WaitingNode | undefined;
  /** Rises with every change of what the node should hold. */
  readonly desiredRev: number;
  readonly createdAt: number;
  /** Of the custom resource that cordons and labels it; undefined: the API does. */
  readonly kubernetesNamespace?: string | undefined;
  /** What happened there to versions; undefined: nothing that is remembered. */
  readonly history?: readonly VersionHistory[] | undefined;
  /** Its newest session, as recorded; undefined until it first connects. */
  readonly session: FleetSession | undefined;
  /** What this replica saw of that session; undefined when another replica holds it, or held it. */
  readonly observed: SessionObservation | undefined;
  /** Its newest load report: observed by the replica that holds its session, for others what that one recorded. */
  readonly load: FleetLoad | undefined;
}

export interface NodeDrain {
  /** In ms of the fleet's clock. */
  readonly deadline: number;
  /** What is left then is removed, also where nothing takes its place. */
  readonly removes: boolean;
  /** What was announced of it last. */
  readonly announced: AnnouncedDrain | undefined;
  /** Of the deadline, by the calendar of the database (ms since 1970): another drain has another one. */
  readonly revision: number;
}

export type AnnouncedDrain = "overdue" | "done";

export interface WaitingNode {
  /** By the calendar of the database (ms since 1970): it is rejected then. */
  readonly until: number;
  /** The address that it joined from. */
  readonly from: string;
  readonly publicKey: string;
}

/** A session as its row says it, for every replica alike. */
export interface FleetSession {
  /** Rises with every new session of the node; an older one changes nothing. */
  readonly epoch: number;
  readonly open: boolean;
  readonly openedAt: number;
  /** The control-plane replica that holds the node's control channel: its owner. Only the owner's observations count. */
  readonly replica: string;
  readonly agentVersion: string;
  /** When a byte of the node last arrived, as far as the owner has recorded it. */
  readonly lastSeen: number;
  /** The owner found both directions of it to work. */
  readonly isReady: boolean;
  /** When the owner last recorded that it lives itself; undefined when it left, or another one has taken its address. */
  readonly ownerSeen: number | undefined;
  /** What the leader last announced of the node in an event. */
  readonly announced: AnnouncedState | undefined;
  /** How often its connection broke lately, as its owners saw it; undefined: never. */
  readonly disconnects?: Disconnects | undefined;
}

/** How often the connection of a node broke lately. */
export interface Disconnects {
  /** Each counts as 1, and as half as much after every 10 minutes. */
  readonly score: number;
  /** When the newest one was, in ms of the fleet's clock. */
  readonly at: number;
}

export type AnnouncedState = "ready" | "detached" | "lost";

/** What the owner of a session sees of it, ahead of what it records. */
export interface SessionObservation {
  /** When a byte of the node last arrived. */
  readonly lastSeen: number;
  /** Heartbeats in a row that proved both directions; two make a node ready. */
  readonly confirmedHeartbeats: number;
}

export interface FleetLoad {
  readonly at: number;
  readonly cpuPct: number;
  readonly memFreeMiB: number;
  readonly diskFreeMiB: number;
  readonly rttMs: number;
  readonly rif: number;
  /** Bytes that arrive there in a ms, smoothed over its pushes by the owner of its session; absent before the first large one. */
  readonly pushBytesPerMs?: number | undefined;
  /** When that was measured last, in ms of the fleet's clock. */
  readonly pushMeasuredAt?: number | undefined;
  readonly placements: readonly PlacementLoad[];
  /** How requests ended there lately, as the owner of its session counts them; absent: none did. */
  readonly errors?: readonly VersionErrors[] | undefined;
  /** Absent: it runs none. */
  readonly streams?: readonly StreamReport[] | undefined;
}

/** How requests for a version ended on one node lately: what is older counts less. Instants in ms of the fleet's clock. */
export interface VersionErrors {
  readonly model: string;
  readonly version: number;
  /** Those with errors included. */
  readonly requests: number;
  /** Faults of the node or the version, not of the request. */
  readonly errors: number;
  /** When the newest ended. */
  readonly at: number;
  /** When the newest error was; undefined: there was none. */
  readonly erredAt: number | undefined;
}

export interface FleetVersion {
  readonly model: string;
  readonly version: number;
  readonly state: "uploading" | "checking" | "ready" | "rejected" | "archived";
  /** Digest of its manifest, once it is `ready`. */
  readonly artifact: Digest | undefined;
  /** Why its bytes cannot be sent to nodes; undefined while they are whole. */
  readonly damage: string | undefined;
  /** Of the files that a node gets, of a version with variants for its reference. */
  readonly bytes: number;
  readonly opset: number | undefined;
  readonly irVersion: number | undefined;
  /** Of a model that writes text. */
  readonly text?: TextModel | undefined;
  /** Of a model that makes embeddings. */
  readonly encoder?: EncoderModel | undefined;
  /** Of a model that an engine beside a node executes. */
  readonly engine?: EngineModel | undefined;
  /** Of a pipeline. */
  readonly pipeline?: PipelineFacts | undefined;
  /** Graphs of which a node gets one, the reference first; empty or undefined: it has one graph. */
  readonly variants?: readonly VariantFacts[] | undefined;
  /** What its signer says of it; undefined: it is not signed. */
  readonly release?: VersionRelease | undefined;
  readonly createdAt?: number;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

export interface FleetDeployment {
  readonly name: string;
  readonly spec: DeploymentSpec;
  readonly generation: number;
  readonly createdAt: number;
  /** Of the custom resource that declares it; undefined: the API does. */
  readonly kubernetesNamespace?: string | undefined;
  /** Undefined until a leader has planned for it. */
  readonly status: RecordedStatus | undefined;
  /** Its newest rollout; undefined: it had none. */
  readonly rollout?: FleetRollout | undefined;
}

/** A rollout as it was recorded last. */
export interface FleetRollout {
  /** Counts the rollouts of its deployment. */
  readonly number: number;
  /** Rises with every write of the record: what is decided on an older one is not written. */
  readonly revision: number;
  readonly record: RolloutRecord;
  /** When it entered its phase, in ms of the fleet's clock. */
  readonly phaseSince: number;
  /** By the calendar of the database (ms since 1970). */
  readonly beganAt: number;
  readonly phaseAt: number;
  readonly endedAt: number | undefined;
}

/** A deployment's status as the leader wrote it last. */
export interface RecordedStatus {
  readonly observedGeneration: number;
  readonly findings: DeploymentFindings;
  /** When it was written, by the calendar of the database (ms since 1970). */
  readonly at: number;
}

export interface FleetPlacement {
  readonly id: PlacementId;
  /** Undefined once its deployment is deleted: then it only waits to be gone. */
  readonly deployment: string | undefined;
  readonly model: string;
  readonly version: number;
  readonly nodeId: NodeId;
  /** Rises with every change the leader makes; a report about an older one is ignored. */
  readonly generation: number;
  readonly wanted: WantedState;
  readonly explain: ExplainRecord;
  readonly decidedAt: number;
  readonly state: PlacementState;
  readonly stateSince: number;
  readonly failure: { readonly code: PlacementFailure; readonly detail: string } | undefined;
  /** What the present attempt began with; undefined when it was not recorded. */
  readonly attempt: PlacementAttempt | undefined;
  /** Bytes there and bytes in all, while downloading. Only in memory, as `progressSince`, when that last changed. */
  readonly progress: { readonly done: number; readonly total: number } | undefined;
  readonly progressSince: number;
  readonly rssMiB: number | undefined;
  /** Mean service time of the warm runs, in µs. */
  readonly warmUs: number | undefined;
  /** Whether requests share runs of it, and why or why not; undefined while it is not ready, and of older agents. */
  readonly sharing: RunSharing | undefined;
  /** Memory that its model host may use now, in MiB; 0: any amount. Undefined while it is not ready, and of older agents. */
  readonly limitMiB: number | undefined;
  /** Memory that trials on its node showed it to need, in MiB; undefined before the first. */
  readonly measuredMiB: number | undefined;
  /** The shared host of its node that it runs in, by name; undefined: it has a host of its own. */
  readonly host: string | undefined;
}

/** What an attempt to run a placement depends on beside the model: where one of these changes, a failure says nothing any more. */
export interface PlacementAttempt {
  readonly memMiB: number;
  /** Version of the agent and of its runtime. */
  readonly agent: string;
}

/** What happened to a version on a node. It outlives the placement. */
export interface VersionHistory {
  readonly model: string;
  readonly version: number;
  /** In a row, with this attempt; 0: none, or an operator asked for another try. */
  readonly loadFailures: number;
  readonly attempt: PlacementAttempt | undefined;
  /** When it last left to make room for a deployment of no higher priority, in ms of the fleet's clock; undefined: never. */
  readonly evictedAt: number | undefined;
}

export type RecordedNode = Omit<FleetNode, "observed">;

/** What a replica recorded of one of its sessions. */
export interface RecordedSession {
  readonly nodeId: NodeId;
  readonly session: FleetSession;
  readonly load: FleetLoad | undefined;
}

export type RecordedPlacement = Omit<FleetPlacement, "progress" | "progressSince">;

/** What Postgres knows, as one consistent snapshot. */
export interface FleetRows {
  readonly nodes: readonly RecordedNode[];
  readonly deployments: readonly FleetDeployment[];
  readonly versions: readonly FleetVersion[];
  readonly aliases: readonly { readonly model: string; readonly alias: string; readonly version: number }[];
  readonly placements: readonly RecordedPlacement[];
}

export const aliasKey = (model: string, alias: string): string => `${model}@${alias}`;
