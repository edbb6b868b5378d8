import { CandidateTable } from "./candidate-table.ts";
import type { Candidate } from "./candidate.ts";
import { placesOf, type NodePlaces } from "./node-places.ts";

/** What the lists of one plan have in common: the same nodes in the same order. */
interface Plan {
  readonly places: NodePlaces;
  readonly table: CandidateTable;
}

/** A list changes with each placement of a plan, and what is kept for it has to outlive that. */
const plans = new WeakMap<readonly Candidate[], Plan>();

/** The same list, of whose nodes the places are known. */
export function inPlaces(candidates: readonly Candidate[], places: NodePlaces): readonly Candidate[] {
  plans.set(candidates, { places, table: new CandidateTable(candidates, places) });
  return candidates;
}

function planOf(candidates: readonly Candidate[]): Plan {
  const known = plans.get(candidates);
  if (known) return known;
  const places = placesOf(candidates.map(({ node }) => node));
  const plan = { places, table: new CandidateTable(candidates, places) };
  plans.set(candidates, plan);
  return plan;
}

/** The candidate that a node is; undefined: it is none of these. */
export function candidateOf(candidates: readonly Candidate[], nodeId: string): Candidate | undefined {
  const place = planOf(candidates).places.of.get(nodeId);
  return place === undefined ? undefined : candidates[place];
}

/** The same list with other candidates for some of its nodes. */
export function withCandidates(candidates: readonly Candidate[], others: readonly Candidate[]): readonly Candidate[] {
  const list = new WorkingList(candidates);
  for (const other of others) list.put(other);
  return list.candidates;
}

/** A copy to write in: the list of a plan is copied for a deployment, and not for each of its replicas. */
export class WorkingList {
  readonly candidates: readonly Candidate[];
  readonly #list: Candidate[];
  readonly #plan: Plan;

  constructor(candidates: readonly Candidate[]) {
    this.#plan = planOf(candidates);
    this.#list = candidates.slice();
    this.candidates = this.#list;
    plans.set(this.candidates, this.#plan);
    const { table } = this.#plan;
    if (table.candidates === candidates) table.candidates = this.candidates;
  }

  at = (nodeId: string): Candidate | undefined => candidateOf(this.candidates, nodeId);

  /** Another candidate for its node. */
  put(candidate: Candidate): void {
    const { places, table } = this.#plan;
    const place = places.of.get(candidate.node.id);
    if (place === undefined) return;
    this.#list[place] = candidate;
    if (table.candidates === this.candidates) table.replace(place);
  }
}

/** The table, as of these candidates. It is theirs until it is asked for by another list of the same plan. */
export function tableOf(candidates: readonly Candidate[]): CandidateTable {
  const { table } = planOf(candidates);
  if (table.candidates !== candidates) table.show(candidates);
  return table;
}
