import { deploymentSpec, type DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import type { ExplainRecord } from "../../../shared/api/v1/deployments/explain.ts";
import type { NodeId, PlacementId } from "../../../shared/base/ids.ts";
import { FleetState } from "../../../control-plane/core/fleet/fleet-state.ts";
import { reduce } from "../../../control-plane/core/fleet/reduce.ts";
import type {
  Fleet,
  FleetDeployment,
  FleetNode,
  FleetPlacement,
  FleetSession,
  FleetVersion,
  FleetRows,
  RecordedNode,
} from "../../../control-plane/core/fleet/types.ts";
import type { z } from "zod";

/** The instant at which every built fleet stands, in ms. */
export const NOW = 1_000_000;

export const TIMINGS = { suspectMs: 15_000, lostMs: 60_000 };

/** A session that stands and is ready, unless said otherwise. */
export const aFleetSession = (over: Partial<FleetSession> = {}): FleetSession => ({
  epoch: 1,
  open: true,
  openedAt: NOW - 7_200_000,
  replica: "r-1",
  agentVersion: "0.1.0",
  lastSeen: NOW,
  isReady: true,
  ownerSeen: NOW,
  announced: "ready",
  ...over,
});

/** A node that is ready, empty and 8 GiB large, unless said otherwise. */
export function aNode(name: string, over: Partial<FleetNode> = {}): FleetNode {
  return {
    id: `n-${name}` as NodeId,
    name,
    kind: "edge",
    site: "harbour",
    zone: name,
    labels: {},
    capabilities: {
      arch: "x64",
      os: "linux",
      cpus: 4,
      memMiB: 8_192,
      diskMiB: 100_000,
      runtime: "onnxruntime 1.30.0",
      maxOpset: 22,
      maxIrVersion: 11,
      providers: ["cpu"],
    },
    generation: 1,
    cordoned: false,
    draining: false,
    revoked: false,
    desiredRev: 0,
    createdAt: 0,
    session: aFleetSession(),
    observed: undefined,
    load: { at: NOW, cpuPct: 10, memFreeMiB: 6_000, diskFreeMiB: 90_000, rttMs: 1, rif: 0, placements: [] },
    ...over,
  };
}

/** A node that was last heard `ms` ago and whose channel is closed. */
export const aSilentNode = (name: string, ms: number, over: Partial<FleetNode> = {}): FleetNode =>
  aNode(name, {
    session: aFleetSession({ open: false, lastSeen: NOW - ms }),
    ...over,
  });

export function aVersion(model: string, version: number, over: Partial<FleetVersion> = {}): FleetVersion {
  const artifact = `sha256:${String(version).padStart(64, "0")}` as const;
  return {
    model,
    version,
    state: "ready",
    artifact,
    damage: undefined,
    bytes: 1_048_576,
    opset: 17,
    irVersion: 8,
    inputs: [],
    outputs: [],
    ...over,
  };
}

export function aDeployment(
  spec: z.input<typeof deploymentSpec>,
  over: Partial<FleetDeployment> = {},
): FleetDeployment {
  const parsed: DeploymentSpec = deploymentSpec.parse(spec);
  return { name: parsed.name, spec: parsed, generation: 1, createdAt: 0, status: undefined, ...over };
}

/** A ready placement of `digits:1` for the deployment `digits`, unless said otherwise. */
export function aPlacement(node: FleetNode, over: Partial<FleetPlacement> = {}): FleetPlacement {
  return {
    id: `p-${node.name}` as PlacementId,
    deployment: "digits",
    model: "digits",
    version: 1,
    nodeId: node.id,
    generation: 1,
    wanted: "serve",
    explain: anExplainRecord(node),
    decidedAt: NOW - 600_000,
    state: "ready",
    stateSince: NOW - 500_000,
    failure: undefined,
    attempt: undefined,
    progress: undefined,
    progressSince: over.stateSince ?? NOW - 500_000,
    rssMiB: undefined,
    warmUs: 1_000,
    sharing: undefined,
    limitMiB: undefined,
    measuredMiB: undefined,
    host: undefined,
    ...over,
  };
}

const anExplainRecord = (node: FleetNode): ExplainRecord => ({
  id: "dec_1",
  modelVersion: "digits:1",
  deployment: "digits",
  generation: 1,
  profile: "test",
  trigger: "test",
  kind: node.kind,
  evaluated: 1,
  feasible: 1,
  rejected: {},
  rejections: [],
  top: [],
  chosen: [node.name],
  margin: null,
  tieBreak: null,
  sentence: `digits:1 → ${node.name}`,
});

interface FleetParts {
  readonly nodes?: readonly RecordedNode[];
  readonly deployments?: readonly FleetDeployment[];
  readonly versions?: readonly FleetVersion[];
  readonly placements?: FleetRows["placements"];
  readonly aliases?: readonly { model: string; alias: string; version: number }[];
}

/** A fleet of the given parts, as `reduce` builds it. */
export const aFleet = (parts: FleetParts): Fleet => aFleetState(parts).snapshot();

/** The same, to go on writing. */
export function aFleetState(parts: FleetParts): FleetState {
  const state = new FleetState();
  const { nodes = [], deployments = [], versions = [], placements = [], aliases = [] } = parts;
  reduce(state, { type: "rows-loaded", rows: { nodes, deployments, versions, aliases, placements } });
  return state;
}
