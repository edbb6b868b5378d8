import type { ExplainRecord } from "../../../../shared/api/v1/explain.ts";
import type { NodeKind } from "../../../../shared/api/v1/nodes.ts";
import type { Fleet, FleetPlacement } from "../../fleet/types.ts";
import { withPlacement, type Candidate, type PlacementRequest } from "../candidate.ts";
import { candidateOf, withCandidates } from "../candidate-list.ts";
import { profileOf, type PlanContext } from "../context.ts";
import { explainDecision } from "../explain.ts";
import { firstRefusal, rank } from "../rank.ts";
import { summaryOf } from "../ranking-summary.ts";
import { attemptOn } from "../attempt.ts";
import { placementOn, type PlannedPlacement } from "./place-replicas.ts";
import { lowestPriority, priorityOf, Victims, type Victim } from "./victims.ts";

export interface Preempted {
  readonly placement: FleetPlacement;
  readonly why: string;
  readonly by: string;
}

export interface Preempting {
  readonly create: readonly PlannedPlacement[];
  readonly records: readonly ExplainRecord[];
  readonly preempt: readonly Preempted[];
  readonly candidates: readonly Candidate[];
}

interface Option {
  /** The node as it is when the victims have left. */
  readonly candidate: Candidate;
  readonly victims: readonly Victim[];
}

/**
 * Room for `count` replicas on nodes that replicas of lower priority hold. A node counts when every filter passes once its
 * victims have left. Of several nodes the one with the fewest victims that have to be sent away is chosen, then the one whose
 * victims have the lowest priority, then the one where fewer of them answer, then the one with the best score. On a node no victim is
 * sent away that the room is not needed of. Only memory and places are taken: files that leave a disk are not known to be deleted.
 */
export function preempt(count: number, kind: NodeKind, { fleet, need, candidates, context }: PreemptInput): Preempting {
  const profile = profileOf(context, need.deployment);
  const create: PlannedPlacement[] = [];
  const records: ExplainRecord[] = [];
  const preempted: Preempted[] = [];
  const taken: FleetPlacement[] = [];
  let present = candidates;
  const victims = new Victims(fleet, candidates, need.deployment);
  // Most fleets have one priority: nobody is looked for then.
  const most = priorityOf(need.deployment) > lowestPriority(fleet.deployments) ? count : 0;
  for (let replica = 0; replica < most; replica += 1) {
    const options = new Map<string, Option>();
    const asIfFree = present
      .filter(({ node }) => node.kind === kind)
      .map((candidate) => {
        const option = optionOn(candidate, victims.on(candidate.node, taken), { need, context });
        if (option) options.set(candidate.node.id, option);
        return option?.candidate ?? candidate;
      });
    if (options.size === 0) break;
    const ranking = rank(asIfFree, need, { profile });
    const [chosen] = ranking.feasible
      .flatMap((ranked) => options.get(ranked.candidate.node.id) ?? [])
      .toSorted((a, b) => costOf(a).reduce((sign, each, at) => sign || each - (costOf(b)[at] ?? 0), 0));
    const best = ranking.feasible.find(({ candidate }) => candidate === chosen?.candidate);
    if (!chosen || !best) break;
    const { node } = chosen.candidate;
    const decision = { chosen: best, kind, profile: profile.name, trigger: context.trigger };
    const record = withVictims(explainDecision(summaryOf(ranking), need, decision), chosen, need);
    records.push(record);
    create.push({
      nodeId: node.id,
      node: node.name,
      record,
      attempt: attemptOn(node, need.memMiB),
      version: need.version.version,
    });
    const sent = chosen.victims.filter(({ isLeaving }) => !isLeaving).map(({ placement }) => placement);
    taken.push(...sent);
    preempted.push(...sent.map((placement) => ({ placement, why: whyPreempted(need), by: need.deployment.name })));
    const before = candidateOf(present, node.id);
    if (!before) break;
    present = withCandidates(present, [withPlacement(without(before, sent), placementOn(node.id, need, record), need)]);
  }
  return { create, records, preempt: preempted, candidates: present };
}

interface PreemptInput {
  readonly fleet: Fleet;
  readonly need: PlacementRequest;
  readonly candidates: readonly Candidate[];
  readonly context: PlanContext;
}

/** The victims that make room on a node; undefined where no victims do. */
function optionOn(
  candidate: Candidate,
  possible: readonly Victim[],
  { need, context }: Pick<PreemptInput, "need" | "context">,
): Option | undefined {
  const fits = (victims: readonly Victim[]): boolean =>
    firstRefusal(profileOf(context, need.deployment).filters, whenLeft(candidate, victims), need) === undefined;
  const leaving = possible.filter(({ isLeaving }) => isLeaving);
  const others = possible.filter(({ isLeaving }) => !isLeaving);
  if (possible.length === 0 || !fits(possible)) return undefined;
  const bySize = others.toSorted((a, b) => roomOf(candidate, b) - roomOf(candidate, a));
  const [first, second] = [others, bySize].map((order) => needed([...leaving, ...order], fits));
  const victims = (second?.length ?? Infinity) < (first?.length ?? Infinity) ? second : first;
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

const costOf = ({ victims }: Option): readonly number[] => {
  const sent = victims.filter(({ isLeaving }) => !isLeaving);
  return [
    sent.length,
    Math.max(-Infinity, ...sent.map(({ deployment }) => priorityOf(deployment))),
    sent.filter(({ placement }) => placement.state === "ready").length,
  ];
};

const whyPreempted = ({ deployment }: PlacementRequest): string =>
  `it makes room for ${deployment.name}, whose priority ${priorityOf(deployment)} is higher`;

/** The record of a choice that sends others away says whom. */
function withVictims(
  record: ExplainRecord,
  { victims, candidate }: Option,
  { deployment }: PlacementRequest,
): ExplainRecord {
  const named = victims.map(({ placement: { id, model, version }, deployment: of }) => ({
    placementId: id,
    deployment: of.name,
    modelVersion: `${model}:${version}`,
    node: candidate.node.name,
    priority: priorityOf(of),
  }));
  const who = named.map((each) => `${each.modelVersion} of ${each.deployment} (priority ${each.priority})`).join(", ");
  const leaves = named.length === 1 ? "leaves" : "leave";
  return {
    ...record,
    victims: named,
    sentence: `${record.sentence}; ${who} ${leaves} ${candidate.node.name} for it (priority ${priorityOf(deployment)})`,
  };
}
