import { z } from "zod";
import type { DeploymentFindings, DeploymentSpec } from "../../../../shared/api/v1/deployments.ts";
import type { ExplainRecord } from "../../../../shared/api/v1/explain.ts";
import type { NodeKind } from "../../../../shared/api/v1/nodes.ts";
import { rolloutRecord } from "../../../../shared/api/v1/rollouts.ts";
import type { Digest } from "../../../../shared/base/digest.ts";
import type { NodeId, PlacementId } from "../../../../shared/base/ids.ts";
import type { PipelineFacts, TensorSpec } from "../../../../shared/protocol/manifest.ts";
import { type Capabilities, streamReport } from "../../../../shared/protocol/messages.ts";
import type {
  PlacementFailure,
  PlacementState,
  RunSharing,
  WantedState,
} from "../../../../shared/protocol/placement.ts";
import type { EncoderModel } from "../../../../shared/text/encoder-model.ts";
import type { Release } from "../../../../shared/protocol/release.ts";
import type { EngineModel } from "../../../../shared/text/engine-model.ts";
import type { TextModel } from "../../../../shared/text/text-model.ts";
import type {
  AnnouncedState,
  FleetDeployment,
  FleetLoad,
  FleetRows,
  FleetVersion,
  RecordedNode,
  RecordedSession,
} from "../../../core/fleet/types.ts";

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

/** A rollout as it is read; instants are of the database's clock, in ms since 1970. */
export const storedRollout = z.object({
  number: z.number(),
  revision: z.number(),
  record: rolloutRecord,
  beganAt: z.number(),
  phaseAt: z.number(),
  endedAt: z.number().nullable(),
});

/** What happened to versions on a node as it is read; instants are of the database's clock, in ms since 1970. */
export const storedHistories = z.array(
  z.object({
    model: z.string(),
    version: z.number(),
    loadFailures: z.number(),
    memMiB: z.number().nullable(),
    agent: z.string().nullable(),
    evictedAt: z.number().nullable(),
  }),
);

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

/** What is stored of a load report. */
export const storedLoad = z.object({
  cpuPct: z.number(),
  memFreeMiB: z.number(),
  diskFreeMiB: z.number(),
  rttMs: z.number(),
  rif: z.number(),
  pushBytesPerMs: z.number().optional(),
  /** How old that was when it was stored; of an older control plane it is not known, and counts as measured then. */
  pushAgeMs: z.number().optional(),
  streams: z.array(streamReport).optional(),
});

function toLoad({ pushAgeMs = 0, ...load }: z.infer<typeof storedLoad>, at: number): FleetLoad {
  return {
    ...load,
    at,
    pushMeasuredAt: load.pushBytesPerMs === undefined ? undefined : at - pushAgeMs,
    placements: [],
  };
}

/** `offset`: what the caller's monotonic clock shows when the database's calendar shows 1970. */
export function toRecordedSession(row: SessionRow, offset: number): RecordedSession {
  const { nodeId, epoch, open, openedAt, replica, agentVersion, seenAt, isReady, load, announced, ownerSeenAt } = row;
  const { disconnects: score, disconnectedAt } = row;
  const lastSeen = offset + seenAt;
  return {
    nodeId,
    session: {
      epoch,
      open,
      openedAt: offset + openedAt,
      replica,
      agentVersion,
      lastSeen,
      isReady,
      ownerSeen: ownerSeenAt === null ? undefined : offset + ownerSeenAt,
      announced: announced ?? undefined,
      disconnects: disconnectedAt === null ? undefined : { score, at: offset + disconnectedAt },
    },
    load: load === null ? undefined : toLoad(storedLoad.parse(JSON.parse(load)), lastSeen),
  };
}

export function toRecordedNode(
  row: NodeRow,
  {
    histories,
    ...json
  }: {
    readonly labels: Record<string, string>;
    readonly capabilities: Capabilities | undefined;
    readonly histories: z.infer<typeof storedHistories> | undefined;
  },
  offset: number,
): RecordedNode {
  const { id, name, kind, site, zone, generation, cordoned, draining, revoked, desiredRev, createdAt } = row;
  const { epoch, waitingUntil, waitingFrom, waitingKey } = row;
  const recorded = epoch === null ? undefined : toRecordedSession({ ...row, nodeId: id, epoch }, offset);
  return {
    id,
    name,
    kind,
    site,
    zone,
    generation,
    cordoned,
    draining,
    revoked,
    desiredRev,
    createdAt,
    kubernetesNamespace: row.kubernetesNamespace ?? undefined,
    ...(waitingUntil !== null && {
      waiting: { until: waitingUntil, from: waitingFrom ?? "", publicKey: waitingKey ?? "" },
    }),
    ...json,
    history: histories?.map(({ model, version, loadFailures, memMiB, agent: by, evictedAt }) => ({
      model,
      version,
      loadFailures,
      attempt: memMiB === null || by === null ? undefined : { memMiB, agent: by },
      evictedAt: evictedAt === null ? undefined : offset + evictedAt,
    })),
    session: recorded?.session,
    load: recorded?.load,
  };
}

export function toFleetDeployment(
  { name, generation, createdAt, observedGeneration, statusAt, kubernetesNamespace }: DeploymentRow,
  json: {
    readonly spec: DeploymentSpec;
    readonly findings: DeploymentFindings | undefined;
    readonly rollout: z.infer<typeof storedRollout> | undefined;
  },
  offset: number,
): FleetDeployment {
  const { spec, findings } = json;
  const rollout = json.rollout && {
    ...json.rollout,
    phaseSince: offset + json.rollout.phaseAt,
    endedAt: json.rollout.endedAt ?? undefined,
  };
  const status = findings && statusAt !== null ? { observedGeneration, findings, at: statusAt } : undefined;
  return { name, spec, generation, createdAt, kubernetesNamespace: kubernetesNamespace ?? undefined, status, rollout };
}

export function toFleetVersion(
  row: VersionRow,
  signature: {
    inputs: TensorSpec[];
    outputs: TensorSpec[];
    text: TextModel | undefined;
    encoder: EncoderModel | undefined;
    engine: EngineModel | undefined;
    pipeline: PipelineFacts | undefined;
    release: Release | undefined;
  },
): FleetVersion {
  const { model, version, state, artifact, damage, bytes, opset, irVersion, createdAt } = row;
  return {
    model,
    version,
    state,
    artifact: artifact ?? undefined,
    damage: damage ?? undefined,
    bytes,
    opset: opset ?? undefined,
    irVersion: irVersion ?? undefined,
    createdAt,
    ...signature,
  };
}

export function toFleetPlacement(
  row: PlacementRow,
  explain: ExplainRecord,
  offset: number,
): FleetRows["placements"][number] {
  const { id, deployment, model, version, nodeId, generation, wanted, decidedAt, state, stateAt } = row;
  const { failureCode, failureDetail, rssMiB, warmUs, attemptMemMiB: memMiB, attemptAgent: agent } = row;
  return {
    id,
    deployment: deployment ?? undefined,
    model,
    version,
    nodeId,
    generation,
    wanted,
    explain,
    decidedAt: offset + decidedAt,
    state,
    stateSince: offset + stateAt,
    failure: failureCode === null ? undefined : { code: failureCode, detail: failureDetail ?? "" },
    attempt: memMiB === null || agent === null ? undefined : { memMiB, agent },
    rssMiB: rssMiB ?? undefined,
    warmUs: warmUs ?? undefined,
    sharing: row.sharing ?? undefined,
    limitMiB: row.limitMiB ?? undefined,
    measuredMiB: row.measuredMiB ?? undefined,
    host: row.host ?? undefined,
  };
}
