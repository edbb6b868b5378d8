import type { DeploymentFindings, DeploymentSpec } from "../../../../shared/api/v1/deployments.ts";
import type { ExplainRecord } from "../../../../shared/api/v1/explain.ts";
import type { NodeKind } from "../../../../shared/api/v1/nodes.ts";
import type { Digest } from "../../../../shared/base/digest.ts";
import type { NodeId, PlacementId } from "../../../../shared/base/ids.ts";
import type { TensorSpec } from "../../../../shared/protocol/manifest.ts";
import type { Capabilities } from "../../../../shared/protocol/messages.ts";
import type { PlacementFailure, PlacementState, WantedState } from "../../../../shared/protocol/placement.ts";
import type { FleetDeployment, FleetRows, FleetVersion } from "../../../core/fleet/types.ts";

/** Rows as the snapshot's queries name them. Closed sets are held by CHECK constraints; JSON comes as text. */
export interface NodeRow {
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
  readonly desiredRev: number;
  readonly createdAt: number;
  /** Null, as what follows, until it first connects. */
  readonly epoch: number | null;
  readonly open: boolean;
  readonly replica: string;
  readonly agentVersion: string;
  readonly silentMs: number;
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
}

export interface VersionRow {
  readonly model: string;
  readonly version: number;
  readonly state: FleetVersion["state"];
  readonly artifact: Digest | null;
  readonly bytes: bigint;
  readonly opset: number | null;
  readonly irVersion: number | null;
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
  readonly decidedMs: number;
  readonly state: PlacementState;
  readonly stateMs: number;
  readonly failureCode: PlacementFailure | null;
  readonly failureDetail: string | null;
  readonly rssMiB: number | null;
  readonly warmUs: number | null;
}

/** `now` is the caller's monotonic time; ages were counted by the database. */
export function toFleetNode(
  row: NodeRow,
  json: { labels: Record<string, string>; capabilities: Capabilities | undefined },
  now: number,
): FleetRows["nodes"][number] {
  const { id, name, kind, site, zone, generation, cordoned, draining, revoked, desiredRev, createdAt } = row;
  const { epoch, open, replica, agentVersion, silentMs } = row;
  // How many heartbeats were answered only the replica knows that holds the session: here none were.
  const session =
    epoch === null
      ? undefined
      : { epoch, open, replica, agentVersion, lastSeen: now - silentMs, confirmedHeartbeats: 0 };
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
    ...json,
    session,
  };
}

export function toFleetDeployment(
  { name, generation, createdAt, observedGeneration, statusAt }: DeploymentRow,
  json: { readonly spec: DeploymentSpec; readonly findings: DeploymentFindings | undefined },
): FleetDeployment {
  const { spec, findings } = json;
  const status = findings && statusAt !== null ? { observedGeneration, findings, at: statusAt } : undefined;
  return { name, spec, generation, createdAt, status };
}

export function toFleetVersion(
  row: VersionRow,
  signature: { inputs: TensorSpec[]; outputs: TensorSpec[] },
): FleetVersion {
  const { model, version, state, artifact, bytes, opset, irVersion } = row;
  return {
    model,
    version,
    state,
    artifact: artifact ?? undefined,
    bytes: Number(bytes),
    opset: opset ?? undefined,
    irVersion: irVersion ?? undefined,
    ...signature,
  };
}

export function toFleetPlacement(
  row: PlacementRow,
  explain: ExplainRecord,
  now: number,
): FleetRows["placements"][number] {
  const { id, deployment, model, version, nodeId, generation, wanted, decidedMs, state, stateMs } = row;
  const { failureCode, failureDetail, rssMiB, warmUs } = row;
  return {
    id,
    deployment: deployment ?? undefined,
    model,
    version,
    nodeId,
    generation,
    wanted,
    explain,
    decidedAt: now - decidedMs,
    state,
    stateSince: now - stateMs,
    failure: failureCode === null ? undefined : { code: failureCode, detail: failureDetail ?? "" },
    rssMiB: rssMiB ?? undefined,
    warmUs: warmUs ?? undefined,
  };
}
