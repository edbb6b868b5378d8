import type { Candidate, PlacementRequest } from "./candidate.ts";
import type { Amount, Filter } from "../filters/filter.ts";
import { FILTER_ERROR, refusalOf } from "./rank.ts";
import { UNKNOWN_POINTS, type Score, type ScoreContext } from "../scores/score.ts";

/** What one filter or score says of every candidate, for requests with one key. */
interface Column {
  readonly values: Uint8Array | Float64Array;
  /** One of these requests. */
  readonly request: PlacementRequest;
  /** So many changes of candidates are in it. */
  changes: number;
  /** How many of the values are not 0. */
  others: number;
  /** The value that all have; undefined: they differ. */
  same: number | undefined;
}

const REFUSED = 1;
export const THREW = 2;
/** What a filter or score sees of a node that holds nothing of the request. */
export const NOTHING_THERE: ScoreContext = { own: [], byZone: new Map() };

/** What filters and scores say of all candidates that hold nothing of a request, in one array for each key of requests. */
export class CandidateColumns {
  readonly #size: number;
  readonly #at: (place: number) => Candidate;
  readonly #changed: readonly number[];
  readonly #columns = new Map<string, Column>();

  /** `changed`: places whose candidate has changed, in order; it grows. */
  constructor(size: number, of: { readonly at: (place: number) => Candidate; readonly changed: readonly number[] }) {
    this.#size = size;
    this.#at = of.at;
    this.#changed = of.changed;
  }

  /** 0: it fits; else `REFUSED` or `THREW`. */
  verdicts(filter: Filter, need: PlacementRequest): Column {
    const judge = (candidate: Candidate, of: PlacementRequest): number => {
      const refusal = refusalOf(filter, candidate, { need: of, own: NOTHING_THERE.own });
      if (!refusal) return 0;
      return refusal.code === FILTER_ERROR ? THREW : REFUSED;
    };
    return this.#column(`filter ${filter.code} ${filter.keyOf(need)}`, { need, judge, Values: Uint8Array });
  }

  amounts(of: string, amountOf: Amount["of"], need: PlacementRequest): Column {
    return this.#column(`amount ${of}`, { need, judge: (candidate) => amountOf(candidate), Values: Float64Array });
  }

  points(score: Score, need: PlacementRequest): Column {
    const judge = (candidate: Candidate, of: PlacementRequest): number =>
      score.points(candidate, of, NOTHING_THERE) ?? UNKNOWN_POINTS;
    return this.#column(`score ${score.name} ${score.keyOf(need)}`, { need, judge, Values: Float64Array });
  }

  #column(
    key: string,
    {
      need,
      judge,
      Values,
    }: {
      readonly need: PlacementRequest;
      readonly judge: (candidate: Candidate, request: PlacementRequest) => number;
      readonly Values: Uint8ArrayConstructor | Float64ArrayConstructor;
    },
  ): Column {
    const known = this.#columns.get(key);
    if (!known) {
      const values = new Values(this.#size);
      let others = 0;
      let areSame = true;
      for (let place = 0; place < values.length; place += 1) {
        const value = judge(this.#at(place), need);
        values[place] = value;
        if (value !== 0) others += 1;
        if (value !== values[0]) areSame = false;
      }
      const same = areSame ? values[0] : undefined;
      const column: Column = { values, request: need, changes: this.#changed.length, others, same };
      this.#columns.set(key, column);
      return column;
    }
    for (; known.changes < this.#changed.length; known.changes += 1) {
      const place = this.#changed[known.changes] ?? 0;
      const value = judge(this.#at(place), known.request);
      known.others += Number(value !== 0) - Number(known.values[place] !== 0);
      known.values[place] = value;
      if (value !== known.same) known.same = undefined;
    }
    return known;
  }
}
