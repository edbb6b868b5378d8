import type { ExplainRecord } from "../../../../shared/api/v1/deployments/explain.ts";
import type { NodeKind } from "../../../../shared/api/v1/nodes/nodes.ts";
import type { FleetPlacement, PlacementAttempt } from "../../fleet/types.ts";
import { attemptOn } from "../needs/attempt.ts";
import { withoutReservation, withPlacement, type Candidate, type PlacementRequest } from "../candidates/candidate.ts";
import { tableOf, withCandidates, WorkingList } from "../candidates/candidate-list.ts";
import { profileOf, type PlanContext } from "../context.ts";
import { explainDecision, shortfallSentence } from "../explaining/explain.ts";
import { plannedPlacement } from "./planned-placement.ts";
import { onlyZone, type Ranked } from "../candidates/rank.ts";
import { needOn } from "../needs/variant-need.ts";
import type { RankingSummary } from "../explaining/ranking-summary.ts";

export interface PlannedPlacement {
  readonly nodeId: FleetPlacement["nodeId"];
  readonly node: string;
  readonly record: ExplainRecord;
  readonly attempt: PlacementAttempt;
  readonly version: number;
}

interface Placing {
  readonly create: readonly PlannedPlacement[];
  /** One for each decision, those that found no node included. */
  readonly records: readonly ExplainRecord[];
  readonly shortfall: readonly string[];
  readonly candidates: readonly Candidate[];
}

interface Choice {
  readonly chosen: Ranked | undefined;
  readonly ranking: RankingSummary;
  /** The chosen node has no room for two versions: the other one has to leave before this one loads. */
  readonly isBreak: boolean;
}

/** Chooses nodes one by one, since each choice changes the spread and the room of the next. */
export function placeReplicas(
  count: number,
  kind: NodeKind,
  { need, candidates, context }: { need: PlacementRequest; candidates: readonly Candidate[]; context: PlanContext },
): Placing {
  const profile = profileOf(context, need.deployment);
  if (count <= 0) return { create: [], records: [], shortfall: [], candidates };
  const present = new WorkingList(candidates);
  const create: PlannedPlacement[] = [];
  const records: ExplainRecord[] = [];
  const shortfall: string[] = [];
  for (let replica = 0; replica < count; replica += 1) {
    const { chosen, ranking, isBreak } = choose(present.candidates, kind, { need, context });
    const decision = { chosen, kind, profile: profile.name, trigger: context.trigger };
    const record = withBreak(explainDecision(ranking, need, decision), isBreak ? chosen?.candidate : undefined, need);
    records.push(record);
    if (!chosen) {
      shortfall.push(shortfallSentence(`${need.version.model}:${need.version.version}`, ranking, kind));
      break; // nor would the next replica find a node
    }
    const { node } = chosen.candidate;
    const own = needOn(need, node);
    create.push({
      nodeId: node.id,
      node: node.name,
      record,
      attempt: attemptOn(node, own.memMiB),
      version: need.version.version,
    });
    const before = present.at(node.id) ?? chosen.candidate;
    const memMiB = addedMiB(before, own, { isBreak });
    const after = withPlacement(before, placementOn(node.id, need, record), { ...own, memMiB });
    present.put(after);
  }
  return { create, records, shortfall, candidates: present.candidates };
}

/** The best node with room beside what is there; where none has any, the best of those that have it once another version has left. */
function choose(
  present: readonly Candidate[],
  kind: NodeKind,
  { need, context }: { readonly need: PlacementRequest; readonly context: PlanContext },
): Choice {
  const { name, spec } = need.deployment;
  const profile = profileOf(context, need.deployment);
  const outside = onlyZone(need, tableOf(present).zonesWith(need));
  const pick = (candidates: readonly Candidate[], isBreak: boolean): Choice => {
    const ranking = tableOf(candidates).rank(need, { kind, profile, outside });
    return { chosen: ranking.top[0], ranking, isBreak };
  };
  const beside = pick(present, false);
  if (beside.chosen && spec.update?.breakFirst !== true) return beside;
  const alone = present.flatMap((candidate) => {
    const without = withoutReservation(candidate, name);
    return without === candidate ? [] : [without];
  });
  const instead = pick(withCandidates(present, alone), beside.chosen === undefined);
  return instead.chosen ? instead : beside;
}

/** The record of a choice that makes another version leave first says so. */
function withBreak(
  record: ExplainRecord,
  candidate: Candidate | undefined,
  { deployment }: PlacementRequest,
): ExplainRecord {
  if (!candidate) return record;
  const others = candidate.placements
    .filter((placement) => placement.deployment === deployment.name)
    .map(({ model, version }) => `${model}:${version}`);
  const who = others.length === 0 ? "the version before it" : others.toSorted().join(", ");
  const sentence = `${record.sentence}; no ${record.kind} node has room for both versions, so ${who} leaves ${candidate.node.name} first`;
  return { ...record, sentence };
}

/** Of two versions that follow each other only the larger need counts. */
function addedMiB(candidate: Candidate, { deployment, memMiB }: PlacementRequest, of: { isBreak: boolean }): number {
  return of.isBreak ? Math.max(0, memMiB - (candidate.reservedBy.get(deployment.name) ?? 0)) : memMiB;
}

/** So that the next choice sees it. */
export const placementOn = (
  nodeId: FleetPlacement["nodeId"],
  { deployment, version, now }: PlacementRequest,
  explain: ExplainRecord,
): FleetPlacement =>
  plannedPlacement({
    id: "" as FleetPlacement["id"],
    deployment: deployment.name,
    model: version.model,
    version: version.version,
    nodeId,
    explain,
    now,
  });
