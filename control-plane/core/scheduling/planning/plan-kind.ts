import type { ExplainRecord } from "../../../../shared/api/v1/deployments/explain.ts";
import type { NodeKind } from "../../../../shared/api/v1/nodes/nodes.ts";
import { mustLeave } from "../../fleet/drains.ts";
import type { Fleet, FleetDeployment, FleetPlacement } from "../../fleet/types.ts";
import { withinRange } from "../../scaling/replica-targets.ts";
import { candidateOf, withCandidates } from "../candidates/candidate-list.ts";
import { isStalled, type Candidate, type PlacementRequest } from "../candidates/candidate.ts";
import { brakeOf, type Brake, type PlanContext } from "../context.ts";
import { STATIC_FILTERS } from "../profile.ts";
import { isOfNeed } from "../needs/variant-need.ts";
import { firstRefusal } from "../candidates/rank.ts";
import { DISK_LOOK_MS, retryAt, retryOf } from "./attempts.ts";
import { movesAmong } from "./moves/movers.ts";
import { placeReplicas } from "./place-replicas.ts";
import { makeRoom } from "./preemption/preempt.ts";
import { evictedBefore, withThrashing } from "./preemption/thrashing.ts";
import { minimumOf, type Decided } from "./preemption/victims.ts";
import { surplusOf } from "./surplus.ts";

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
  readonly decided?: Decided | undefined;
}

/** What to do about the replicas of one version on nodes of one kind. */
export function planKind(kind: NodeKind, input: KindInput) {
  const { fleet, need, context, fewer = 0 } = input;
  const asked = wantedReplicas(kind, input.candidates, { need, context });
  const at = ({ nodeId }: FleetPlacement): Candidate | undefined => candidateOf(input.candidates, nodeId);
  const isOfKind = ({ nodeId }: FleetPlacement): boolean => fleet.nodes.get(nodeId)?.kind === kind;
  const ofVersion = input.placements.filter((placement) => isOfNeed(placement, need));
  const mine = ofVersion.filter(isOfKind);
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
  const unplaced = wanted - standing.length - retry.length - placing.create.length;
  const forced =
    unplaced > 0 && !hasFailed && !input.closed
      ? makeRoom({ count: unplaced, minimum: Math.max(0, missing), wanted }, kind, {
          ...input,
          candidates: placing.candidates,
        })
      : undefined;
  const isHelped = forced !== undefined && forced.create.length === unplaced;
  const created = [...placing.create, ...(forced?.create ?? [])];
  const evictedAt = created.length === 0 ? undefined : evictedBefore(fleet, need.version, context.now);
  const told = (record: ExplainRecord): ExplainRecord => withThrashing(record, evictedAt, context.now);
  const isDue = (placement: FleetPlacement): boolean => {
    const candidate = at(placement);
    return candidate !== undefined && mustLeave(candidate.node, context.now);
  };
  const isSpread = need.deployment.spec.placement.spread === "zone";
  const others = ofVersion.filter((placement) => !isOfKind(placement));
  const surplus = isCovered ? surplusOf(standing.length - wanted, { standing, others, at, isSpread }) : [];
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
    create: evictedAt === undefined ? created : created.map((each) => ({ ...each, record: told(each.record) })),
    // The record of the replica that had no place makes way for that of the place which was made for it.
    records: (forced === undefined || forced.create.length === 0
      ? placing.records
      : [...placing.records.filter(({ chosen }) => chosen.length > 0), ...forced.records]
    ).map(told),
    lacking: Math.max(0, missing - (forced?.create.length ?? 0)),
    shortfall: isHelped ? [] : placing.shortfall,
    preempt: forced?.preempt ?? [],
    candidates: forced?.candidates ?? placing.candidates,
    remove: [
      ...replaced,
      ...surplus.map((placement) => ({ placement, why: `more replicas than wanted (${wanted})` })),
      ...rest
        .filter((placement) => isCovered || isDue(placement))
        .map((placement) => ({ placement, why: removalReason(placement, at(placement), context) })),
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
  if (mustLeave(candidate.node, context.now)) return `the drain of ${candidate.node.name} is past its deadline`;
  if (candidate.node.draining) return `${candidate.node.name} is draining`;
  if (hasStalled(placement, candidate, context))
    return `it makes no progress there and enough replicas are ready elsewhere`;
  return `${candidate.node.name} no longer matches the deployment`;
}
