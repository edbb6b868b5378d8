import type { ExplainRecord } from "../../../shared/api/v1/explain.ts";
import type { NodeKind } from "../../../shared/api/v1/nodes.ts";
import { isWanted, placementsOfDeployment, targetVersion, versionOf } from "../fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetPlacement, FleetVersion } from "../fleet/types.ts";
import { candidatesOf, withPlacement, type Candidate, type PlacementRequest } from "./candidate.ts";
import { isEvacuationHeld, profileOf, stateFor, type PlanContext } from "./context.ts";
import { explainDecision, shortfallSentence } from "./explain.ts";
import { FAILURE_BACKOFF_MS } from "./filters/no-recent-failure.ts";
import { memoryNeedMiB } from "./memory.ts";
import { STATIC_FILTERS } from "./profile.ts";
import { firstRefusal, rank, type Ranked } from "./rank.ts";

export interface DeploymentPlan {
  /** Undefined while the alias does not exist. */
  readonly targetVersion: number | undefined;
  readonly wanted: { readonly edge: number; readonly cloud: number };
  /** Its placements that are wanted, of any version. */
  readonly placements: readonly FleetPlacement[];
  readonly create: readonly {
    readonly nodeId: FleetPlacement["nodeId"];
    readonly node: string;
    readonly record: ExplainRecord;
  }[];
  /** Failed long enough ago to be tried again. */
  readonly retry: readonly FleetPlacement[];
  readonly remove: readonly { readonly placement: FleetPlacement; readonly why: string }[];
  /** One for each decision made now, those that found no node included. */
  readonly records: readonly ExplainRecord[];
  /** A sentence for every replica that cannot be placed; the same while its cause is. */
  readonly shortfall: readonly string[];
  /** The candidates with the new placements on them, for the next deployment's plan. */
  readonly candidates: readonly Candidate[];
}

/**
 * What to create, retry and remove so that a deployment has its replicas: make before break. Replicas that stand
 * (alive, on a node that may keep them) count; whatever else there is leaves only when enough ready ones stand.
 */
export function planDeployment(
  fleet: Fleet,
  deployment: FleetDeployment,
  context: PlanContext,
  given?: readonly Candidate[],
): DeploymentPlan {
  const candidates = given ?? candidatesOf(fleet, { stateOf: (node) => stateFor(node, context), now: context.now });
  const target = targetVersion(fleet, deployment);
  const version = target === undefined ? undefined : versionOf(fleet, deployment.spec.model, target);
  const placements = placementsOfDeployment(fleet, deployment.name).filter(isWanted);
  const nothing = {
    targetVersion: target,
    placements,
    wanted: { edge: 0, cloud: 0 },
    create: [],
    retry: [],
    remove: [],
    records: [],
    candidates,
  };
  if (!version || version.state !== "ready") return { ...nothing, shortfall: [missingVersion(deployment, version)] };

  const need = needOf(deployment, version, context.now);
  const edge = planKind("edge", { fleet, need, placements, candidates, context });
  const cloud = planKind("cloud", { fleet, need, placements, candidates: edge.candidates, context });
  const isCovered = edge.isCovered && cloud.isCovered;
  const outdated = placements.filter((placement) => placement.version !== version.version);
  return {
    targetVersion: target,
    placements,
    wanted: { edge: edge.wanted, cloud: cloud.wanted },
    create: [...edge.create, ...cloud.create],
    retry: [...edge.retry, ...cloud.retry],
    remove: [
      ...edge.remove,
      ...cloud.remove,
      ...(isCovered
        ? outdated.map((placement) => ({ placement, why: `${version.model}:${version.version} took over` }))
        : []),
    ],
    records: [...edge.records, ...cloud.records],
    shortfall: [...edge.shortfall, ...cloud.shortfall],
    candidates: cloud.candidates,
  };
}

export const needOf = (deployment: FleetDeployment, version: FleetVersion, now: number): PlacementRequest => ({
  deployment,
  version,
  memMiB: memoryNeedMiB(version, deployment),
  diskMiB: Math.ceil(version.bytes / 1_048_576),
  now,
});

function missingVersion({ spec }: FleetDeployment, version: FleetVersion | undefined): string {
  const name = `${spec.model}:${spec.version}`;
  if (version) return `${name} is ${version.state}, so it cannot be placed`;
  return `${name} does not exist; see \`skerry models get ${spec.model}\``;
}

interface KindInput {
  readonly fleet: Fleet;
  readonly need: PlacementRequest;
  /** All wanted placements of the deployment, any version, any kind. */
  readonly placements: readonly FleetPlacement[];
  readonly candidates: readonly Candidate[];
  readonly context: PlanContext;
}

function planKind(kind: NodeKind, input: KindInput) {
  const { fleet, need, context } = input;
  const wanted = wantedReplicas(kind, input.candidates, need);
  const byId = new Map(input.candidates.map((candidate) => [candidate.node.id as string, candidate]));
  const mine = input.placements.filter(
    (placement) => placement.version === need.version.version && fleet.nodes.get(placement.nodeId)?.kind === kind,
  );
  const isHeld = isEvacuationHeld(fleet, context);
  const standing = mine.filter((placement) => isStanding(placement, byId.get(placement.nodeId), { need, isHeld }));
  const rest = mine.filter((placement) => !standing.includes(placement));
  const readyCount = standing.filter(({ state }) => state === "ready").length;
  const isCovered = readyCount >= wanted;

  const due = rest.filter((placement) => isRetryDue(placement, byId.get(placement.nodeId), context));
  const retry = due.slice(0, Math.max(0, wanted - standing.length));
  const placing = placeReplicas(wanted - standing.length - retry.length, kind, { ...input, need });
  const surplus = isCovered ? standing.toSorted(leastUsefulFirst).slice(0, standing.length - wanted) : [];
  return {
    wanted,
    isCovered,
    retry,
    ...placing,
    remove: [
      ...surplus.map((placement) => ({ placement, why: `more replicas than wanted (${wanted})` })),
      ...(isCovered
        ? rest.map((placement) => ({ placement, why: whyLeaving(placement, byId.get(placement.nodeId)) }))
        : []),
    ],
  };
}

function wantedReplicas(kind: NodeKind, candidates: readonly Candidate[], need: PlacementRequest): number {
  const { placement } = need.deployment.spec;
  if (placement.residency !== "any" && placement.residency !== `${kind}-only`) return 0;
  const range = placement[kind];
  if (!range.every) return range.min;
  return candidates.filter(
    (candidate) =>
      candidate.node.kind === kind && candidate.state !== "revoked" && !firstRefusal(STATIC_FILTERS, candidate, need),
  ).length;
}

/** Whether a placement counts as one of the replicas: it runs, or is on its way, where it may stay. */
function isStanding(
  placement: FleetPlacement,
  candidate: Candidate | undefined,
  { need, isHeld }: { readonly need: PlacementRequest; readonly isHeld: boolean },
): boolean {
  if (!candidate || placement.state === "failed") return false;
  if (candidate.state === "revoked" || candidate.node.draining) return false;
  if (candidate.state === "lost" && !isHeld) return false;
  return firstRefusal(STATIC_FILTERS, candidate, need) === undefined;
}

const isRetryDue = (placement: FleetPlacement, candidate: Candidate | undefined, { now }: PlanContext): boolean =>
  placement.state === "failed" && candidate?.state === "ready" && now - placement.stateSince >= FAILURE_BACKOFF_MS;

function whyLeaving(placement: FleetPlacement, candidate: Candidate | undefined): string {
  if (!candidate) return "its node is gone";
  if (placement.state === "failed")
    return `it failed there (${placement.failure?.code ?? "unknown"}) and enough replicas are ready elsewhere`;
  if (candidate.state === "lost") return `${candidate.node.name} is lost and enough replicas are ready elsewhere`;
  if (candidate.node.draining) return `${candidate.node.name} is draining`;
  return `${candidate.node.name} no longer matches the deployment`;
}

/** Those that do not serve yet go first, then the youngest. */
const leastUsefulFirst = (a: FleetPlacement, b: FleetPlacement): number =>
  Number(a.state === "ready") - Number(b.state === "ready") || b.decidedAt - a.decidedAt;

/** Chooses nodes one by one, since each choice changes the spread and the room of the next. */
function placeReplicas(count: number, kind: NodeKind, { need, candidates, context }: KindInput) {
  const profile = profileOf(context);
  let present = candidates;
  const create: { nodeId: FleetPlacement["nodeId"]; node: string; record: ExplainRecord }[] = [];
  const records: ExplainRecord[] = [];
  const shortfall: string[] = [];
  for (let replica = 0; replica < count; replica += 1) {
    const ranking = rank(
      present.filter(({ node }) => node.kind === kind),
      need,
      profile,
    );
    const chosen = preferFreeZone(ranking.feasible, present, need);
    const record = explainDecision(ranking, need, { chosen, kind, profile: profile.name, trigger: context.trigger });
    records.push(record);
    if (!chosen) {
      shortfall.push(shortfallSentence(`${need.version.model}:${need.version.version}`, ranking.rejections, kind));
      break; // nor would the next replica find a node
    }
    const { node } = chosen.candidate;
    create.push({ nodeId: node.id, node: node.name, record });
    present = present.map((candidate) =>
      candidate.node === node
        ? withPlacement(candidate, plannedPlacement(need, node.id, record), need.memMiB)
        : candidate,
    );
  }
  return { create, records, shortfall, candidates: present };
}

/** Never all replicas in one zone while another is free: the best of the free zones then goes before a better total. */
function preferFreeZone(
  feasible: readonly Ranked[],
  candidates: readonly Candidate[],
  { deployment }: PlacementRequest,
): Ranked | undefined {
  if (deployment.spec.placement.spread === "none") return feasible[0];
  const zones = new Set(
    candidates
      .filter(({ placements }) => placements.some((placement) => placement.deployment === deployment.name))
      .map(({ node }) => node.zone),
  );
  const inFreeZone = zones.size === 1 ? feasible.find(({ candidate }) => !zones.has(candidate.node.zone)) : undefined;
  return inFreeZone ?? feasible[0];
}

/** Stands for a placement that is only planned, so that the next choice sees it. It never leaves the plan. */
function plannedPlacement(
  { deployment, version, now }: PlacementRequest,
  nodeId: FleetPlacement["nodeId"],
  explain: ExplainRecord,
): FleetPlacement {
  return {
    id: "" as FleetPlacement["id"],
    deployment: deployment.name,
    model: version.model,
    version: version.version,
    nodeId,
    generation: 1,
    wanted: "serve",
    explain,
    decidedAt: now,
    state: "offered",
    stateSince: now,
    failure: undefined,
    progress: undefined,
    rssMiB: undefined,
    warmUs: undefined,
  };
}
