import type { ExplainRecord } from "../../../../shared/api/v1/explain.ts";
import type { NodeKind } from "../../../../shared/api/v1/nodes.ts";
import { isWanted, placementsOfDeployment, versionOf } from "../../fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetPlacement, FleetVersion } from "../../fleet/types.ts";
import { targetVersion } from "../../fleet/versions.ts";
import { DISK_LOOK_MS, retryAt, retryOf, type Retry } from "./attempts.ts";
import { withinRange } from "../../scaling/replica-targets.ts";
import { candidateOf, withCandidates } from "../candidate-list.ts";
import { isStalled, type Candidate, type PlacementRequest } from "../candidate.ts";
import { brakeOf, type Brake, type PlanContext } from "../context.ts";
import { diskNeedMiB } from "../disk.ts";
import { memoryNeedMiB } from "../memory.ts";
import { movesAmong } from "./movers.ts";
import { minimumOf } from "./victims.ts";
import { makingRoom, preemptorsOf, preemptorSentence, withPreemptors } from "./preemptors.ts";
import { preempt, type Preempted } from "./preempt.ts";
import { replaceOldVersions } from "./old-versions.ts";
import { placeReplicas, type PlannedPlacement } from "./place-replicas.ts";
import { STATIC_FILTERS } from "../profile.ts";
import { firstRefusal } from "../rank.ts";

export interface DeploymentPlan {
  /** Undefined while the alias does not exist. */
  readonly targetVersion: number | undefined;
  readonly wanted: { readonly edge: number; readonly cloud: number };
  /** Its placements that are wanted, of any version. */
  readonly placements: readonly FleetPlacement[];
  readonly create: readonly PlannedPlacement[];
  /** Failed, and due to be tried again. */
  readonly retry: readonly Retry[];
  readonly remove: readonly {
    readonly placement: FleetPlacement;
    readonly why: string;
    /** It leaves before its successor is ready, since both do not fit. */
    readonly isBreak?: boolean;
  }[];
  /** One for each decision made now, those that found no node included. */
  readonly records: readonly ExplainRecord[];
  /** A sentence for every replica that cannot be placed; the same while its cause is. */
  readonly shortfall: readonly string[];
  /** Replicas that its minimums ask for and that have no place. */
  readonly lacking: number;
  /** Those of `shortfall` that are about cloud nodes. */
  readonly cloudShortfall: readonly string[];
  /** Those that make no progress on a node that is there. */
  readonly stalled: readonly FleetPlacement[];
  /** Placements of deployments of lower priority that leave for what is created. */
  readonly preempt: readonly Preempted[];
  /** A sentence for every replica that waits on its node until others of lower priority have left it. */
  readonly makingRoom: readonly string[];
  /** A sentence for every deployment of higher priority that has the room of a replica of this one, while one has no place. */
  readonly preempted: readonly string[];
  /** A sentence for each site, or the fleet, from whose lost nodes replicas are not moved away. */
  readonly held: readonly string[];
  /** A sentence for every replica that waits on its node until an older version has left it. */
  readonly waiting: readonly string[];
  /** When this plan may differ though nothing has changed, in ms of the fleet's clock; undefined: never. */
  readonly wakeAt: number | undefined;
}

export interface PlanInput {
  readonly fleet: Fleet;
  readonly deployment: FleetDeployment;
  readonly context: PlanContext;
}

/** A plan, and the candidates as the plan of the next deployment has to see them: with what this one places. */
export interface Planned {
  readonly plan: DeploymentPlan;
  readonly candidates: readonly Candidate[];
}

/**
 * What to create, retry and remove so that a deployment has its replicas: make before break. Replicas that stand
 * (alive, on a node that may keep them) count; what else there is of the version leaves only when enough ready ones stand.
 * Replicas of other versions leave by the rules of `replaceOldVersions`.
 */
export function planVersion(candidates: readonly Candidate[], { fleet, deployment, context }: PlanInput): Planned {
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
    lacking: 0,
    cloudShortfall: [],
    stalled: [],
    preempt: [],
    makingRoom: [],
    preempted: [],
    held: [],
    waiting: [],
    wakeAt: undefined,
  };
  if (!version || version.state !== "ready")
    return { plan: { ...nothing, shortfall: [missingVersion(deployment, version)] }, candidates };

  const need = needOf(deployment, version, context.now);
  const edge = planKind("edge", { fleet, need, placements, candidates, context });
  const cloud = planKind("cloud", { fleet, need, placements, candidates: edge.candidates, context });
  const create = [...edge.create, ...cloud.create];
  const retry = [...edge.retry, ...cloud.retry];
  const wanted = { edge: edge.wanted, cloud: cloud.wanted };
  const isPlacing = create.length + retry.length > 0;
  const update = replaceOldVersions({ need, placements, wanted, candidates, isPlacing });
  const shortfall = [...edge.shortfall, ...cloud.shortfall];
  const preemptors = shortfall.length === 0 ? [] : preemptorsOf(fleet, deployment);
  const waits = [edge.wakeAt, cloud.wakeAt, update.wakeAt].filter((at) => at !== undefined);
  const plan: DeploymentPlan = {
    targetVersion: target,
    placements,
    wanted,
    create,
    retry,
    remove: [...edge.remove, ...cloud.remove, ...update.remove],
    records: [...edge.records, ...cloud.records].map((record) => withPreemptors(record, preemptors)),
    shortfall,
    lacking: edge.lacking + cloud.lacking,
    preempt: [...edge.preempt, ...cloud.preempt],
    makingRoom: makingRoom(fleet, placements),
    preempted: preemptors.map(preemptorSentence),
    cloudShortfall: cloud.shortfall,
    stalled: [...edge.stalled, ...cloud.stalled],
    held: [...new Set([...edge.held, ...cloud.held])].toSorted(),
    waiting: update.waiting,
    wakeAt: waits.length > 0 ? Math.min(...waits) : undefined,
  };
  return { plan, candidates: cloud.candidates };
}

export const needOf = (deployment: FleetDeployment, version: FleetVersion, now: number): PlacementRequest => ({
  deployment,
  version,
  memMiB: memoryNeedMiB(version, deployment),
  diskMiB: diskNeedMiB(version),
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
  /** Replicas of the kind for which other versions may stand, where that many are missing. */
  readonly fewer?: number;
  /** Ids of nodes that get no replica of the version. */
  readonly closed?: ReadonlySet<string>;
}

/** What to do about the replicas of one version on nodes of one kind. */
export function planKind(kind: NodeKind, input: KindInput) {
  const { fleet, need, context, fewer = 0 } = input;
  const asked = wantedReplicas(kind, input.candidates, { need, context });
  const at = ({ nodeId }: FleetPlacement): Candidate | undefined => candidateOf(input.candidates, nodeId);
  const mine = input.placements.filter(
    (placement) => placement.version === need.version.version && fleet.nodes.get(placement.nodeId)?.kind === kind,
  );
  const brake = brakeOf(fleet, context);
  const all = mine.filter((placement) => isStanding(placement, at(placement), { need, brake }));
  const { counting: standing, replaced } = movesAmong(all, at);
  const wanted = asked - Math.min(fewer, Math.max(0, asked - standing.length));
  const lost = standing.flatMap((placement) => at(placement) ?? []).filter(({ state }) => state === "lost");
  const stays = new Set(all);
  const rest = mine.filter((placement) => !stays.has(placement));
  const readyCount = standing.filter(({ state }) => state === "ready").length;
  const isCovered = readyCount >= wanted;

  const due = rest.flatMap((placement) => retryOf(placement, at(placement), need) ?? []);
  const retry = due.slice(0, Math.max(0, wanted - standing.length));
  const placing = withoutClosed(input, (candidates) =>
    placeReplicas(wanted - standing.length - retry.length, kind, { need, candidates, context }),
  );
  const minimum = Math.min(wanted, minimumOf(need.deployment, kind));
  const missing = minimum - standing.length - retry.length - placing.create.length;
  const hasFailed = rest.some(
    (placement) => placement.state === "failed" || hasStalled(placement, at(placement), context),
  );
  // A version that fails takes nobody's room, or it would fail on one node after the other and empty them all.
  const forced =
    missing > 0 && !hasFailed && !input.closed
      ? preempt(missing, kind, { ...input, candidates: placing.candidates })
      : undefined;
  const isHelped =
    forced !== undefined && forced.create.length === wanted - standing.length - retry.length - placing.create.length;
  const surplus = isCovered ? standing.toSorted(leastUsefulFirst).slice(0, standing.length - wanted) : [];
  const waits = [
    ...rest.filter(({ state }) => state === "failed").map((placement) => retryAt(placement, context.now)),
    ...all.map((placement) => at(placement)?.stallTimes.get(placement.id) ?? Infinity),
    // Room on a disk is no change that causes a plan.
    placing.shortfall.length > 0 ? context.now + DISK_LOOK_MS : Infinity,
  ].filter((at) => at > context.now && at < Infinity);
  return {
    wanted: asked,
    retry,
    held: lost.map(({ node }) => brake.why(node)),
    wakeAt: waits.length > 0 ? Math.min(...waits) : undefined,
    stalled: rest.filter((placement) => hasStalled(placement, at(placement), context)),
    create: [...placing.create, ...(forced?.create ?? [])],
    // The record of the replica that had no place makes way for that of the place which was made for it.
    records:
      forced === undefined || forced.create.length === 0
        ? placing.records
        : [...placing.records.filter(({ chosen }) => chosen.length > 0), ...forced.records],
    lacking: Math.max(0, missing - (forced?.create.length ?? 0)),
    shortfall: isHelped ? [] : placing.shortfall,
    preempt: forced?.preempt ?? [],
    candidates: forced?.candidates ?? placing.candidates,
    remove: [
      ...replaced,
      ...surplus.map((placement) => ({ placement, why: `more replicas than wanted (${wanted})` })),
      ...(isCovered
        ? rest.map((placement) => ({ placement, why: removalReason(placement, at(placement), context) }))
        : []),
    ],
  };
}

/** Places on the candidates that are not closed; what it returns has all of them. */
function withoutClosed<Placing extends { readonly candidates: readonly Candidate[] }>(
  { candidates, closed }: KindInput,
  place: (open: readonly Candidate[]) => Placing,
): Placing {
  if (!closed || closed.size === 0) return place(candidates);
  const placing = place(candidates.filter(({ node }) => !closed.has(node.id)));
  return { ...placing, candidates: withChanged(candidates, placing.candidates) };
}

/** `candidates`, with those of `changed` in their places. */
export const withChanged = (candidates: readonly Candidate[], changed: readonly Candidate[]): readonly Candidate[] =>
  withCandidates(
    candidates,
    changed.filter((candidate) => candidateOf(candidates, candidate.node.id) !== candidate),
  );

/** Replicas of `kind` that are to be there; `every`: one on each node that matches. */
export function replicasAskedFor(
  kind: NodeKind,
  { name, spec, status }: FleetDeployment,
  { targets }: Pick<PlanContext, "targets">,
): number | "every" {
  const { placement, paused } = spec;
  if (paused === true) return 0;
  if (placement.residency !== "any" && placement.residency !== `${kind}-only`) return 0;
  const range = placement[kind];
  if (range.every) return "every";
  if (range.max === undefined) return range.min;
  return withinRange(targets?.get(name)?.[kind] ?? status?.findings[kind].wanted ?? 0, range);
}

function wantedReplicas(
  kind: NodeKind,
  candidates: readonly Candidate[],
  { need, context }: { readonly need: PlacementRequest; readonly context: PlanContext },
): number {
  const asked = replicasAskedFor(kind, need.deployment, context);
  if (asked !== "every") return asked;
  return candidates.filter(
    (candidate) =>
      candidate.node.kind === kind && candidate.state !== "revoked" && !firstRefusal(STATIC_FILTERS, candidate, need),
  ).length;
}

/** States in which the node has not received all bytes. */
const WITHOUT_BYTES: readonly FleetPlacement["state"][] = ["offered", "downloading"];

/** Whether a placement counts as one of the replicas: it runs, or is on its way, where it may stay. */
function isStanding(
  placement: FleetPlacement,
  candidate: Candidate | undefined,
  { need, brake }: { readonly need: PlacementRequest; readonly brake: Brake },
): boolean {
  if (!candidate || placement.state === "failed") return false;
  if (candidate.state === "revoked" || candidate.node.draining) return false;
  if (candidate.state === "lost" && !brake.holds(candidate.node)) return false;
  if (isStalled(candidate, placement, need.now)) return false;
  if (need.version.damage !== undefined && WITHOUT_BYTES.includes(placement.state)) return false;
  return firstRefusal(STATIC_FILTERS, candidate, need) === undefined;
}

const hasStalled = (placement: FleetPlacement, candidate: Candidate | undefined, { now }: PlanContext): boolean =>
  candidate !== undefined && isStalled(candidate, placement, now);

function removalReason(placement: FleetPlacement, candidate: Candidate | undefined, context: PlanContext): string {
  if (!candidate) return "its node is gone";
  if (placement.state === "failed")
    return `it failed there (${placement.failure?.code ?? "unknown"}) and enough replicas are ready elsewhere`;
  if (candidate.state === "lost") return `${candidate.node.name} is lost and enough replicas are ready elsewhere`;
  if (candidate.node.draining) return `${candidate.node.name} is draining`;
  if (hasStalled(placement, candidate, context))
    return `it makes no progress there and enough replicas are ready elsewhere`;
  return `${candidate.node.name} no longer matches the deployment`;
}

/** Those that do not serve yet go first, then the youngest. */
const leastUsefulFirst = (a: FleetPlacement, b: FleetPlacement): number =>
  Number(a.state === "ready") - Number(b.state === "ready") || b.decidedAt - a.decidedAt;
