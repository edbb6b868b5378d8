import type { z } from "zod";
import type { DeploymentFindings } from "../../../../../shared/api/v1/deployments/deployments.ts";
import type { DeploymentSpec } from "../../../../../shared/api/v1/deployments/deployment-spec.ts";
import type { ExplainRecord } from "../../../../../shared/api/v1/deployments/explain.ts";
import type { PipelineFacts, TensorSpec } from "../../../../../shared/protocol/model-files/manifest.ts";
import type { Capabilities } from "../../../../../shared/protocol/messages/capabilities.ts";
import type { EncoderModel } from "../../../../../shared/text/encoder-model.ts";
import type { VersionRelease } from "../../../../../shared/protocol/model-files/release.ts";
import type { VariantFacts } from "../../../../../shared/protocol/model-files/variants.ts";
import type { EngineModel } from "../../../../../shared/text/engine-model.ts";
import type { TextModel } from "../../../../../shared/text/text-model.ts";
import type {
  FleetDeployment,
  FleetLoad,
  FleetRows,
  FleetVersion,
  RecordedNode,
  RecordedSession,
} from "../../../../core/fleet/types.ts";
import type { DeploymentRow, NodeRow, PlacementRow, SessionRow, VersionRow } from "./row-types.ts";
import { type storedHistories, storedLoad, type storedRollout } from "./stored-json.ts";

function toLoad({ pushAgeMs = 0, errors, ...load }: z.infer<typeof storedLoad>, at: number): FleetLoad {
  return {
    ...load,
    at,
    errors: errors?.map(({ ageMs, erredAgeMs, ...counted }) => ({
      ...counted,
      at: at - ageMs,
      erredAt: erredAgeMs === undefined ? undefined : at - erredAgeMs,
    })),
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
  const { drainDeadline, epoch, waitingUntil, waitingFrom, waitingKey } = row;
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
    ...(drainDeadline !== null && {
      drain: {
        deadline: offset + drainDeadline,
        removes: row.drainRemoves,
        announced: row.drainAnnounced ?? undefined,
        revision: drainDeadline,
      },
    }),
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
    release: VersionRelease | undefined;
    variants: readonly VariantFacts[];
  },
): FleetVersion {
  const { model, version, state, artifact, damage, bytes, opset, irVersion, createdAt } = row;
  return {
    model,
    version,
    state,
    artifact: artifact ?? undefined,
    damage: damage ?? undefined,
    // The row counts the files of all graphs, of which a node gets one.
    bytes: signature.variants[0]?.bytes ?? bytes,
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
