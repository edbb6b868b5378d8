import type { Fleet, FleetDeployment, FleetPlacement, FleetVersion } from "../../../fleet/types.ts";
import { runningRollout } from "../../../fleet/versions/versions.ts";
import { candidateOf } from "../../candidates/candidate-list.ts";
import { withoutReservation, type Candidate, type PlacementRequest } from "../../candidates/candidate.ts";
import { brakeOf, profileOf, type PlanContext } from "../../context.ts";
import { explainDecision } from "../../explaining/explain.ts";
import { formatDuration } from "../../format.ts";
import { pushMsTo } from "../../needs/push-time.ts";
import { firstRefusal, onlyZone, rank, replicasByZone } from "../../candidates/rank.ts";
import { summaryOf } from "../../explaining/ranking-summary.ts";
import { attemptOn } from "../../needs/attempt.ts";
import { guardedGain, savedMs, type Comparison } from "./gain.ts";
import { needOn } from "../../needs/variant-need.ts";
import type { PlannedPlacement } from "../place-replicas.ts";
import { needOf } from "../plan-deployment.ts";

/** How long a replica stays where it is at least, in ms; so long a new leader watches, and within it a push has to pay. */
export const STAY_MS = 10 * 60_000;
/** Points by which another node has to be better. */
const LEAST_GAIN = 10;

interface Found extends Comparison {
  readonly gain: number;
  readonly savedMs: number;
  readonly pushMs: number;
}

export interface MoveInput {
  readonly fleet: Fleet;
  readonly context: PlanContext;
  readonly candidates: readonly Candidate[];
  /** All its replicas: they are ready, as many as are wanted, and of one version. */
  readonly replicas: readonly FleetPlacement[];
  readonly version: FleetVersion;
  /** Whether a replica may move to this node now. */
  readonly isOpen: (nodeId: string) => boolean;
  /** Requests for the deployment, per second. */
  readonly ratePerS: number;
}

/** Whether anything is moved now: not while a leader is new, while most of a site or the fleet is gone, or while a replica moves. */
export function mayMove(fleet: Fleet, context: PlanContext): boolean {
  const { now, leaderSince = -Infinity } = context;
  if (now - leaderSince < STAY_MS || brakeOf(fleet, context).isOn) return false;
  return !fleet.placements.values().some((placement) => isMoving(fleet, placement));
}

/** It is to take the place of another replica, which is still there. */
function isMoving(fleet: Fleet, { wanted, explain }: FleetPlacement): boolean {
  const replaced = explain.moves && fleet.placements.get(explain.moves.placementId);
  return wanted !== "gone" && replaced !== undefined && replaced.wanted !== "gone";
}

/**
 * The replica that gains most on another node, and that node; undefined: none gains enough. A move pays when the other node is
 * better by more than 10 points, and the requests of 10 minutes save more time than the push takes; both also when every
 * measured signal is off by 30 %.
 */
export function moveOf(deployment: FleetDeployment, input: MoveInput): PlannedPlacement | undefined {
  const { context, replicas, version, ratePerS } = input;
  if (ratePerS <= 0 || replicas.length === 0 || runningRollout(deployment)) return undefined;
  const need = needOf(deployment, version, { ...context, fleet: input.fleet });
  let best: Found | undefined;
  for (const replica of replicas) {
    const found = bestFor(replica, need, input);
    if (found && found.gain > (best?.gain ?? LEAST_GAIN)) best = found;
  }
  return best && moveTo(best, input);
}

function bestFor(replica: FleetPlacement, need: PlacementRequest, input: MoveInput): Found | undefined {
  const { context, candidates, replicas, isOpen, ratePerS } = input;
  const from = candidateOf(candidates, replica.nodeId);
  if (from?.state !== "ready" || context.now - replica.stateSince < STAY_MS) return undefined;
  const { kind } = from.node;
  if (need.deployment.spec.placement[kind].every) return undefined;
  const profile = profileOf(context, need.deployment);
  const byZone = zonesOfOthers(candidates, need, from.node.zone);
  const fits = (candidate: Candidate): boolean =>
    candidate.node.kind === kind && firstRefusal(profile.filters, candidate, need) === undefined;
  const crowded = onlyZone(need, byZone.keys());
  let isElsewhereFree: boolean | undefined;
  const crowds = ({ node }: Candidate): boolean => {
    if (crowded === undefined || node.zone !== crowded) return false;
    isElsewhereFree ??= candidates.some((each) => each.node.zone !== crowded && fits(each));
    return isElsewhereFree || from.node.zone !== crowded;
  };
  const requests = (ratePerS / replicas.length) * (STAY_MS / 1_000);
  const alone = withoutReservation(from, need.deployment.name);
  let best: Found | undefined;
  for (const to of candidates) {
    if (!isOpen(to.node.id)) continue;
    const sooner = savedMs({ need, from, to });
    const pushMs = pushMsTo(to, needOn(need, to.node).version);
    if (sooner <= 0 || requests * sooner <= pushMs || to.comingDiskMiB > 0 || !fits(to) || crowds(to)) continue;
    const comparison = { need, profile, from: alone, to, replica, byZone };
    const gain = guardedGain(comparison);
    if (gain > (best?.gain ?? LEAST_GAIN)) best = { ...comparison, gain, savedMs: sooner, pushMs };
  }
  return best;
}

function zonesOfOthers(
  candidates: readonly Candidate[],
  need: PlacementRequest,
  zone: string,
): ReadonlyMap<string, number> {
  const byZone = new Map(replicasByZone(candidates, need));
  const left = (byZone.get(zone) ?? 0) - 1;
  if (left > 0) byZone.set(zone, left);
  else byZone.delete(zone);
  return byZone;
}

function moveTo(found: Found, { candidates, replicas, version, ratePerS }: MoveInput): PlannedPlacement | undefined {
  const { need, profile, from, to, replica, gain } = found;
  const { kind } = to.node;
  const ranking = rank(
    candidates.filter(({ node }) => node.kind === kind),
    need,
    { profile },
  );
  const chosen = ranking.feasible.find(({ candidate }) => candidate === to);
  if (!chosen) return undefined;
  const record = explainDecision(summaryOf(ranking), need, { chosen, kind, profile: profile.name, trigger: "move" });
  const moves = { placementId: replica.id, node: from.node.name, gain: rounded(gain), savedMs: rounded(found.savedMs) };
  const sentence =
    `${record.sentence}; it takes the place of ${moves.node}: better by ${moves.gain} points at least, and each of ` +
    `${rounded(ratePerS / replicas.length)} requests a second is answered ${moves.savedMs} ms sooner, for a push of ${formatDuration(found.pushMs)}`;
  return {
    nodeId: to.node.id,
    node: to.node.name,
    record: { ...record, moves, sentence },
    attempt: attemptOn(to.node, needOn(need, to.node).memMiB),
    version: version.version,
  };
}

const rounded = (value: number): number => Math.round(value * 10) / 10;
