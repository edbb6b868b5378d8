import type { ExplainRecord, RoomReason } from "../../../../../shared/api/v1/deployments/explain.ts";
import type { NodeKind } from "../../../../../shared/api/v1/nodes/nodes.ts";
import type { Fleet, FleetDeployment, FleetPlacement } from "../../../fleet/types.ts";
import { canBringNodes, isPoolFor, type Pool } from "../../../scaling/pool.ts";
import { withPlacement, type Candidate, type PlacementRequest } from "../../candidates/candidate.ts";
import { candidateOf, withCandidates } from "../../candidates/candidate-list.ts";
import { profileOf, type PlanContext } from "../../context.ts";
import { explainDecision } from "../../explaining/explain.ts";
import { firstRefusal, rank } from "../../candidates/rank.ts";
import { summaryOf } from "../../explaining/ranking-summary.ts";
import { attemptOn } from "../../needs/attempt.ts";
import { placementOn, type PlannedPlacement } from "../place-replicas.ts";
import { isWorth, rateText, valueAmong, type ReplicaValue } from "./replica-value.ts";
import { needOn } from "../../needs/variant-need.ts";
import { priorityOf, Victims, type Claim, type Decided, type Victim } from "./victims.ts";

export interface Preempted {
  readonly placement: FleetPlacement;
  readonly why: string;
  readonly by: string;
  readonly reason: RoomReason;
}

/** Replicas that have no place. */
interface Unplaced {
  readonly count: number;
  /** How many of them a minimum asks for. */
  readonly minimum: number;
  /** Replicas that are asked for in all. */
  readonly wanted: number;
}

interface Preempting {
  readonly create: readonly PlannedPlacement[];
  readonly records: readonly ExplainRecord[];
  readonly preempt: readonly Preempted[];
  readonly candidates: readonly Candidate[];
}

/** A leader that has just begun knows little of demand: for so long, in ms, it lets nobody make room for it. */
const WATCH_MS = 5 * 60_000;

interface Option {
  /** The node as it is when the victims have left. */
  readonly candidate: Candidate;
  readonly victims: readonly Victim[];
}

/**
 * Room for replicas on nodes that others hold: those of a minimum take it of what lower or equal priority has beyond its own
 * minimum, the rest of replicas that are asked much less (`isWorth`). A node counts when every filter passes once its
 * victims have left. Of several nodes the one with the fewest victims that have to be sent away is chosen (for a replica that is
 * asked more: with the least that is asked of them), then the one whose
 * victims have the lowest priority, then the one where fewer of them answer, then the one with the best score. On a node no victim is
 * sent away that the room is not needed of. Only memory and places are taken: files that leave a disk are not known to be deleted.
 * Where a pool brings cloud nodes, room is taken on these for a higher priority alone. A leader takes none for demand in its first 5 minutes.
 */
export function makeRoom(unplaced: Unplaced, kind: NodeKind, input: RoomInput): Preempting {
  const { fleet, need, candidates, context } = input;
  const profile = profileOf(context, need.deployment);
  const mine: ReplicaValue = {
    ratePerS: valueAmong(context.ratesPerS, need.deployment.name, unplaced.wanted),
    memMiB: need.memMiB,
  };
  const { now, leaderSince = -Infinity } = context;
  const isNewLeader = now - leaderSince < WATCH_MS;
  const isGrowing = kind === "cloud" && mayGrow(need.deployment, context.pools);
  const create: PlannedPlacement[] = [];
  const records: ExplainRecord[] = [];
  const preempted: Preempted[] = [];
  const taken: FleetPlacement[] = [];
  let present = candidates;
  const victims = new Victims(fleet, candidates, { by: need.deployment, context, decided: input.decided });
  const most = victims.areThere ? unplaced.count : 0;
  for (let replica = 0; replica < most; replica += 1) {
    const claim = replica < unplaced.minimum ? "minimum" : "demand";
    if (claim === "demand" && (isGrowing || isNewLeader || mine.ratePerS <= 0)) break;
    const options = new Map<string, Option>();
    const asIfFree = present
      .filter(({ node }) => node.kind === kind)
      .map((candidate) => {
        const possible = victims.on(candidate.node, { taken, claim, isGrowing });
        const option = optionOn(candidate, possible, { need, context, mine: claim === "demand" ? mine : undefined });
        if (option) options.set(candidate.node.id, option);
        return option?.candidate ?? candidate;
      });
    if (options.size === 0) break;
    const ranking = rank(asIfFree, need, { profile });
    const [chosen] = ranking.feasible
      .flatMap((ranked) => options.get(ranked.candidate.node.id) ?? [])
      .toSorted((a, b) => costOf(a, claim).reduce((sign, each, at) => sign || each - (costOf(b, claim)[at] ?? 0), 0));
    const best = ranking.feasible.find(({ candidate }) => candidate === chosen?.candidate);
    if (!chosen || !best) break;
    const { node } = chosen.candidate;
    const own = needOn(need, node);
    const decision = { chosen: best, kind, profile: profile.name, trigger: context.trigger };
    const record = withVictims(explainDecision(summaryOf(ranking), need, decision), chosen, { need, claim, mine });
    records.push(record);
    create.push({
      nodeId: node.id,
      node: node.name,
      record,
      attempt: attemptOn(node, own.memMiB),
      version: need.version.version,
    });
    const leaving = chosen.victims.filter(({ isLeaving }) => !isLeaving);
    const sent = leaving.map(({ placement }) => placement);
    taken.push(...sent);
    preempted.push(
      ...leaving.map((victim) => ({
        placement: victim.placement,
        why: whyPreempted(victim, { need, claim, mine }),
        by: need.deployment.name,
        reason: reasonOf(victim, need, claim),
      })),
    );
    const before = candidateOf(present, node.id);
    if (!before) break;
    present = withCandidates(present, [withPlacement(without(before, sent), placementOn(node.id, need, record), own)]);
  }
  return { create, records, preempt: preempted, candidates: present };
}

interface RoomInput {
  readonly fleet: Fleet;
  readonly need: PlacementRequest;
  readonly candidates: readonly Candidate[];
  readonly context: PlanContext;
  readonly decided?: Decided | undefined;
}

/** A pool may bring cloud nodes for the deployment. */
const mayGrow = (deployment: FleetDeployment, pools: readonly Pool[] = []): boolean =>
  pools.some((pool) => isPoolFor(pool, deployment) && canBringNodes(pool));

/** The victims that make room on a node; undefined where none do, or those that do are worth too much. `mine`: what they are compared with. */
function optionOn(
  candidate: Candidate,
  possible: readonly Victim[],
  { need, context, mine }: Pick<RoomInput, "need" | "context"> & { readonly mine: ReplicaValue | undefined },
): Option | undefined {
  const fits = (victims: readonly Victim[]): boolean =>
    firstRefusal(profileOf(context, need.deployment).filters, whenLeft(candidate, victims), need) === undefined;
  const leaving = possible.filter(({ isLeaving }) => isLeaving);
  const others = possible.filter(({ isLeaving }) => !isLeaving);
  if (possible.length === 0 || !fits(possible)) return undefined;
  const bySize = others.toSorted((a, b) => roomOf(candidate, b) - roomOf(candidate, a));
  const [victims] = [others, bySize]
    .map((order) => needed([...leaving, ...order], fits))
    .filter((each) => mine === undefined || isWorth(mine, valuesOf(each)))
    .toSorted((a, b) => a.length - b.length);
  return victims && { victims, candidate: whenLeft(candidate, victims) };
}

/** As many of the list as are needed, from its beginning, without those that turn out to be superfluous. */
function needed(order: readonly Victim[], fits: (victims: readonly Victim[]) => boolean): readonly Victim[] {
  let victims: readonly Victim[] = [];
  for (const victim of order) {
    if (fits(victims)) break;
    victims = [...victims, victim];
  }
  for (const victim of victims.filter(({ isLeaving }) => !isLeaving)) {
    const rest = victims.filter((each) => each !== victim);
    if (fits(rest)) victims = rest;
  }
  return victims;
}

const roomOf = ({ reservedBy }: Candidate, { deployment }: Victim): number => reservedBy.get(deployment.name) ?? 0;

/** The candidate when the victims are gone from it. */
function whenLeft(candidate: Candidate, victims: readonly Victim[]): Candidate {
  const freedMiB = victims.reduce((sum, victim) => sum + roomOf(candidate, victim), 0);
  const left = without(
    candidate,
    victims.map(({ placement }) => placement),
  );
  return { ...left, reservedMiB: left.reservedMiB - freedMiB };
}

/** The candidate when the placements are to be gone: their memory is theirs until they are gone. */
const without = (candidate: Candidate, placements: readonly FleetPlacement[]): Candidate => ({
  ...candidate,
  placements: candidate.placements.filter(({ id }) => !placements.some((each) => each.id === id)),
});

const valuesOf = (victims: readonly Victim[]): readonly ReplicaValue[] =>
  victims.filter(({ isLeaving }) => !isLeaving).map(({ value }) => value);

function costOf({ victims }: Option, claim: Claim): readonly number[] {
  const sent = victims.filter(({ isLeaving }) => !isLeaving);
  const ratePerS = valuesOf(victims).reduce((sum, value) => sum + value.ratePerS, 0);
  const cost = [
    sent.length,
    Math.max(-Infinity, ...sent.map(({ deployment }) => priorityOf(deployment))),
    sent.filter(({ placement }) => placement.state === "ready").length,
  ];
  return claim === "demand" ? [ratePerS, ...cost] : [...cost, ratePerS];
}

interface Reason {
  readonly need: PlacementRequest;
  readonly claim: Claim;
  readonly mine: ReplicaValue;
}

function reasonOf({ deployment }: Victim, need: PlacementRequest, claim: Claim): RoomReason {
  if (claim === "demand") return "demand";
  return priorityOf(deployment) < priorityOf(need.deployment) ? "priority" : "minimum";
}

function whyPreempted(victim: Victim, { need, claim, mine }: Reason): string {
  const { deployment } = need;
  const it = `it makes room for ${deployment.name}`;
  switch (reasonOf(victim, need, claim)) {
    case "priority":
      return `${it}, whose priority ${priorityOf(deployment)} is higher`;
    case "minimum":
      return `${it}, which has not its minimum, while ${victim.deployment.name} has more`;
    case "demand":
      return `${it}, of which ${rateText(mine)} are asked for each replica, and ${rateText(victim.value)} of it`;
  }
}

/** The record of a choice that sends others away says whom. */
function withVictims(record: ExplainRecord, { victims, candidate }: Option, of: Reason): ExplainRecord {
  const { need, claim, mine } = of;
  const named = victims.map((victim) => ({
    placementId: victim.placement.id,
    deployment: victim.deployment.name,
    modelVersion: `${victim.placement.model}:${victim.placement.version}`,
    node: candidate.node.name,
    priority: priorityOf(victim.deployment),
    ...(!victim.isLeaving && { reason: reasonOf(victim, need, claim) }),
  }));
  const said = (value: ReplicaValue, priority: number): string =>
    claim === "demand" ? rateText(value) : `priority ${priority}`;
  const who = victims
    .map(({ placement: { model, version }, deployment, value }) => {
      return `${model}:${version} of ${deployment.name} (${said(value, priorityOf(deployment))})`;
    })
    .join(", ");
  const leaves = named.length === 1 ? "leaves" : "leave";
  const me = said(mine, priorityOf(need.deployment));
  const lacks = named.some(({ reason }) => reason === "minimum") ? ", below its minimum" : "";
  return {
    ...record,
    victims: named,
    sentence: `${record.sentence}; ${who} ${leaves} ${candidate.node.name} for it (${me}${lacks})`,
  };
}
