import type { Best } from "./best.ts";
import { roundedTotal } from "./rank.ts";
import { NAMED_REJECTIONS } from "../explaining/ranking-summary.ts";

/** The verdict of any filter that threw; the others count from 1. */
export const ERROR = 255;
/** The verdict of `zone-spread`, which is asked when those of the others are known. */
export const CROWDED = 254;

interface Sums {
  readonly verdicts: Uint8Array;
  readonly points: Float64Array;
  readonly zonePoints: Float64Array;
  readonly zoneOf: Int32Array;
}

/** More than rounding adds to a sum. */
const ROUNDING = 0.06;

/** The loop over all nodes: no calls for those that are far from the best. */
export function offerAll(
  places: Int32Array,
  { verdicts, points, zonePoints, zoneOf }: Sums,
  { best, elsewhere, avoided }: { readonly best: Best; readonly elsewhere: Best; readonly avoided: number },
): void {
  const isAvoiding = avoided >= 0;
  for (let at = 0; at < places.length; at += 1) {
    const place = places[at] ?? 0;
    if (verdicts[place] !== 0) continue;
    const zone = zoneOf[place] ?? 0;
    const sum = (points[place] ?? 0) + (zonePoints[zone] ?? 0);
    if (sum + ROUNDING >= best.floor) best.offer(place, roundedTotal(sum));
    if (isAvoiding && zone !== avoided && sum + ROUNDING >= elsewhere.floor) elsewhere.offer(place, roundedTotal(sum));
  }
}

/** How many each filter refuses, the first of them, and the first of all. `crowded`: the zone whose nodes `zone-spread` refuses; -1: none. */
export function refusalsOf(
  places: Int32Array,
  { verdicts, zoneOf }: Pick<Sums, "verdicts" | "zoneOf">,
  crowded: number,
) {
  const counts = new Uint32Array(ERROR + 1);
  const firsts = new Map<number, number>();
  const named: { readonly place: number; readonly verdict: number }[] = [];
  for (let at = 0; at < places.length; at += 1) {
    const place = places[at] ?? 0;
    let verdict = verdicts[place] ?? 0;
    if (verdict === 0 && zoneOf[place] === crowded) verdict = CROWDED;
    if (verdict > 0 && (counts[verdict] ?? 0) === 0) firsts.set(verdict, place);
    counts[verdict] = (counts[verdict] ?? 0) + 1;
    if (verdict > 0 && named.length < NAMED_REJECTIONS) named.push({ place, verdict });
  }
  return { counts, firsts, named, feasible: counts[0] ?? 0 };
}
