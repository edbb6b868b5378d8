import { CandidateTable } from "./candidate-table.ts";
import type { Candidate } from "./candidate.ts";

/** What the lists of one plan have in common: the same nodes in the same order. */
interface Plan {
  /** By the id of the node. */
  readonly places: ReadonlyMap<string, number>;
  readonly table: CandidateTable;
  /** Of the newest list alone: a chain of them would keep every list of a plan. */
  latest?: Difference;
}

/** Where two lists differ, one of which was made of the other. */
interface Difference {
  readonly from: readonly Candidate[];
  readonly to: readonly Candidate[];
  readonly places: readonly number[];
}

/** A list changes with each placement of a plan, and what is kept for it has to outlive that. */
const plans = new WeakMap<readonly Candidate[], Plan>();

function planOf(candidates: readonly Candidate[]): Plan {
  const known = plans.get(candidates);
  if (known) return known;
  const places = new Map(candidates.map(({ node }, place) => [node.id as string, place]));
  const plan = { places, table: new CandidateTable(candidates) };
  plans.set(candidates, plan);
  return plan;
}

/** The candidate that a node is; undefined: it is none of these. */
export function candidateOf(candidates: readonly Candidate[], nodeId: string): Candidate | undefined {
  const place = planOf(candidates).places.get(nodeId);
  return place === undefined ? undefined : candidates[place];
}

/** The same list with other candidates for some of its nodes. */
export function withCandidates(candidates: readonly Candidate[], others: readonly Candidate[]): readonly Candidate[] {
  const plan = planOf(candidates);
  const list = candidates.slice();
  const places: number[] = [];
  for (const other of others) {
    const place = plan.places.get(other.node.id);
    if (place === undefined) continue;
    list[place] = other;
    places.push(place);
  }
  plans.set(list, plan);
  plan.latest = { from: candidates, to: list, places };
  return list;
}

/** The table, as of these candidates. It is theirs until it is asked for by another list of the same plan. */
export function tableOf(candidates: readonly Candidate[]): CandidateTable {
  const { table, latest } = planOf(candidates);
  if (table.candidates === candidates) return table;
  const isNext = latest?.to === candidates && latest.from === table.candidates;
  table.show(candidates, isNext ? latest.places : undefined);
  return table;
}
