import type { NodeKind } from "../../../../shared/api/v1/nodes/nodes.ts";
import { Best } from "./best.ts";
import { CROWDED, ERROR, offerAll, refusalsOf } from "./candidate-scan.ts";
import { ownPlacements, type Candidate, type PlacementRequest } from "./candidate.ts";
import { FILTER_ERROR, firstRefusal, pointsOfNode, refusalOf, replicasByZone, tieBreaker } from "./rank.ts";
import { pointsOfZone, scoreOf, type Ranked, type Rejection } from "./rank.ts";
import { RANKED, type RankingSummary } from "../explaining/ranking-summary.ts";
import { CandidateColumns, NOTHING_THERE, THREW } from "./candidate-columns.ts";
import type { Filter } from "../filters/filter.ts";
import type { NodePlaces } from "./node-places.ts";
import { needOn } from "../needs/variant-need.ts";
import { zoneSpread } from "../filters/zone-spread.ts";
import type { Profile } from "../profile.ts";
import { clampScore, UNKNOWN_POINTS } from "../scores/score.ts";

/** What is known of every candidate for one request. */
interface Judgement {
  readonly need: PlacementRequest;
  readonly profile: Profile;
  /** 0: it fits; else the filter that refuses it first, counted from 1, or ERROR when that one threw. */
  readonly verdicts: Uint8Array;
  /** The sum of all scores but those of the zone. */
  readonly points: Float64Array;
  readonly rejections: Map<number, Rejection>;
  readonly tieValues: Map<number, number>;
  changes: number;
}

/**
 * Ranks the nodes of a plan for one request after the other. What a filter or score says depends on the node and on little
 * of the request (`keyOf`), so it is kept for all requests with the same key, in one array by the place of the node. Only
 * nodes that hold or remember something of the requested model or deployment are judged one by one, and after a placement only its
 * node. `rank` is what it computes, in plain words.
 */
export class CandidateTable {
  /** Those that are shown. Set to a list that holds the same. */
  candidates: readonly Candidate[];
  /** Places whose candidate has changed, in order. */
  readonly #changed: number[] = [];
  readonly #columns: CandidateColumns;
  readonly #places: NodePlaces;
  /** Places that hold or held something of a model or of a deployment, or remember something of a model. */
  readonly #holders: { readonly model: Map<string, Set<number>>; readonly deployment: Map<string, Set<number>> };
  #judgement: Judgement | undefined;

  /** `places`: of the nodes of the candidates. */
  constructor(candidates: readonly Candidate[], places: NodePlaces) {
    this.candidates = candidates;
    this.#places = places;
    this.#columns = new CandidateColumns(candidates.length, { at: (place) => this.#at(place), changed: this.#changed });
    this.#holders = { model: new Map(), deployment: new Map() };
    for (const [place, candidate] of candidates.entries()) this.#noteHoldings(place, candidate);
  }

  /** Another candidate for one node of the list that is shown. */
  replace(place: number): void {
    this.#changed.push(place);
    this.#noteHoldings(place, this.#at(place));
  }

  /** The same nodes in the same order, of which some are other candidates now. */
  show(candidates: readonly Candidate[]): void {
    const before = this.candidates;
    this.candidates = candidates;
    for (let place = 0; place < candidates.length; place += 1)
      if (candidates[place] !== before[place]) this.replace(place);
  }

  /** Zones in which replicas of the request's deployment are, as `replicasByZone` counts them. */
  zonesWith(need: PlacementRequest): ReadonlySet<string> {
    return new Set(replicasByZone(this.#holding(need), need).keys());
  }

  /** The ranking of the nodes of a kind. `outside`: a zone that gets no replica while a node of another one fits. */
  rank(
    need: PlacementRequest,
    {
      kind,
      profile,
      outside,
    }: { readonly kind: NodeKind; readonly profile: Profile; readonly outside?: string | undefined },
  ): RankingSummary {
    const { verdicts, points, rejections, tieValues } = this.#judge(need, profile);
    const byZone = replicasByZone(
      this.#holding(need).filter(({ node }) => node.kind === kind),
      need,
    );
    const zonePoints = this.#zonePoints(need, { profile, byZone });
    const avoided = outside === undefined ? -1 : (this.#places.zones.get(outside) ?? -1);
    const tieOf = tieBreaker(need);
    const tieValue = (place: number): number => {
      const known = tieValues.get(place);
      if (known !== undefined) return known;
      const value = tieOf(this.#at(place));
      tieValues.set(place, value);
      return value;
    };
    const best = new Best(RANKED, tieValue);
    const elsewhere = new Best(RANKED, tieValue);
    const places = this.#places.ofKind[kind];
    const { zoneOf } = this.#places;
    offerAll(places, { verdicts, points, zonePoints, zoneOf }, { best, elsewhere, avoided });
    const [free] = elsewhere.places;
    const crowded =
      outside === undefined || free === undefined ? undefined : { zone: outside, free: this.#at(free).node.zone };
    const { counts, firsts, named, feasible } = refusalsOf(places, { verdicts, zoneOf }, crowded ? avoided : -1);
    const rankedAt = (place: number): Ranked => scoreOf(this.#at(place), need, { profile, byZone });
    const rejectionAt = (place: number, verdict: number): Rejection => {
      if (verdict === CROWDED) return this.#reject(place, { ...need, crowded }, [zoneSpread]);
      const known = rejections.get(place);
      if (known) return known;
      const rejection = this.#reject(place, need, profile.filters);
      rejections.set(place, rejection);
      return rejection;
    };
    return {
      evaluated: places.length,
      feasible,
      top: (crowded ? elsewhere : best).places.map(rankedAt),
      crowded: (counts[CROWDED] ?? 0) > 0 ? outside : undefined,
      refusals: [...firsts].map(([verdict, place]) => ({
        count: counts[verdict] ?? 0,
        first: rejectionAt(place, verdict),
      })),
      rejections: named.map(({ place, verdict }) => rejectionAt(place, verdict)),
    };
  }

  #at(place: number): Candidate {
    const candidate = this.candidates[place];
    if (!candidate) throw new RangeError(`there is no candidate ${place}`);
    return candidate;
  }

  #noteHoldings(place: number, { node, placements }: Candidate): void {
    if (node.history) for (const { model } of node.history) note(this.#holders.model, model, place);
    for (const { model, deployment } of placements) {
      note(this.#holders.model, model, place);
      if (deployment !== undefined) note(this.#holders.deployment, deployment, place);
    }
  }

  /** Candidates that hold something of the request's deployment. */
  #holding({ deployment }: PlacementRequest): readonly Candidate[] {
    return [...(this.#holders.deployment.get(deployment.name) ?? [])].map((place) => this.#at(place));
  }

  #judge(need: PlacementRequest, profile: Profile): Judgement {
    const known = this.#judgement;
    if (known?.need === need && known.profile === profile) {
      for (; known.changes < this.#changed.length; known.changes += 1)
        this.#judgeAlone(known, this.#changed[known.changes] ?? 0);
      return known;
    }
    const size = this.candidates.length;
    const judgement: Judgement = {
      need,
      profile,
      verdicts: new Uint8Array(size),
      points: new Float64Array(size),
      rejections: new Map(),
      tieValues: new Map(),
      changes: this.#changed.length,
    };
    this.#judgement = judgement;
    if ((need.version.variants ?? []).length > 0) {
      // What it needs differs from node to node.
      for (let place = 0; place < size; place += 1) this.#judgeAlone(judgement, place);
      return judgement;
    }
    const { verdicts, points } = judgement;
    for (const [index, filter] of profile.filters.entries()) {
      if (filter.isOfOwn === true || filter.isOpenTo?.(need) === true) continue;
      if (filter.amount) {
        const needed = filter.amount.needed(need);
        const { values: amounts } = this.#columns.amounts(filter.code, filter.amount.of, need);
        for (let place = 0; place < size; place += 1)
          if (verdicts[place] === 0 && !(needed <= (amounts[place] ?? 0))) verdicts[place] = index + 1;
        continue;
      }
      const { values: column, others } = this.#columns.verdicts(filter, need);
      if (others === 0) continue;
      for (let place = 0; place < size; place += 1) {
        const value = column[place];
        if (value === 0 || verdicts[place] !== 0) continue;
        verdicts[place] = value === THREW ? ERROR : index + 1;
      }
    }
    for (const { score, weight } of profile.scores) {
      if (score.isOfZone === true || size === 0) continue;
      if (score.lost) {
        const units = score.lost.units(need);
        const { values: perUnit, same } = this.#columns.amounts(score.name, score.lost.perUnit, need);
        if (same !== undefined) {
          const all = weight * clampScore(100 - same * units);
          for (let place = 0; place < size; place += 1) points[place] = (points[place] ?? 0) + all;
          continue;
        }
        for (let place = 0; place < size; place += 1)
          points[place] = (points[place] ?? 0) + weight * clampScore(100 - (perUnit[place] ?? 0) * units);
        continue;
      }
      const { values: column } = this.#columns.points(score, need);
      for (let place = 0; place < size; place += 1)
        points[place] = (points[place] ?? 0) + weight * (column[place] ?? UNKNOWN_POINTS);
    }
    const { model, deployment } = this.#holders;
    const own = new Set([...(model.get(need.version.model) ?? []), ...(deployment.get(need.deployment.name) ?? [])]);
    for (const place of own) this.#judgeAlone(judgement, place);
    return judgement;
  }

  /** One node, with what it holds of the request's model and deployment. */
  #judgeAlone({ need: asked, profile, verdicts, points, rejections }: Judgement, place: number): void {
    const candidate = this.#at(place);
    const need = needOn(asked, candidate.node);
    const own = ownPlacements(candidate, need);
    rejections.delete(place);
    verdicts[place] = 0;
    for (const [index, filter] of profile.filters.entries()) {
      const refusal = refusalOf(filter, candidate, { need, own });
      if (!refusal) continue;
      verdicts[place] = refusal.code === FILTER_ERROR ? ERROR : index + 1;
      break;
    }
    points[place] = pointsOfNode(candidate, need, { profile, seen: { ...NOTHING_THERE, own } });
  }

  /** By the number of the zone. Zones with as many replicas of the deployment get the same. */
  #zonePoints(
    need: PlacementRequest,
    { profile, byZone }: { readonly profile: Profile; readonly byZone: ReadonlyMap<string, number> },
  ): Float64Array {
    const seen = { own: [], byZone };
    const { zones } = this.#places;
    const found = new Float64Array(zones.size);
    const [any] = this.candidates;
    if (!any) return found;
    const pointsIn = (zone: string): number =>
      pointsOfZone({ ...any, node: { ...any.node, zone } }, need, { profile, seen });
    const empty = zones.keys().find((zone) => !byZone.has(zone));
    if (empty !== undefined) found.fill(pointsIn(empty));
    const byCount = new Map<number, number>();
    for (const [zone, count] of byZone) {
      const points = byCount.get(count) ?? pointsIn(zone);
      byCount.set(count, points);
      const number = zones.get(zone);
      if (number !== undefined) found[number] = points;
    }
    return found;
  }

  #reject(place: number, need: PlacementRequest, filters: readonly Filter[]): Rejection {
    const candidate = this.#at(place);
    const refusal = firstRefusal(filters, candidate, need);
    if (!refusal) throw new Error(`${candidate.node.name} is refused, and by no filter`);
    return { node: candidate.node.name, ...refusal };
  }
}

function note(places: Map<string, Set<number>>, key: string, place: number): void {
  const known = places.get(key);
  if (known) known.add(place);
  else places.set(key, new Set([place]));
}
