import type { FleetPlacement } from "../../../fleet/types.ts";
import type { Candidate, PlacementRequest } from "../../candidates/candidate.ts";
import type { Profile } from "../../profile.ts";
import { needOn } from "../../needs/variant-need.ts";
import { hopMsTo, scaledHops } from "../../hops.ts";
import { UNKNOWN_POINTS, type Score, type ScoreContext } from "../../scores/score.ts";

/** Measured signals may be off by so much: a real figure is between measured / 1.3 and measured / 0.7. */
const NOISE = 0.3;
/** Not monotone in what is measured, so its bounds are not where those of the signals are. */
const LEFT_OUT = "balance";

/** A replica where it is, and where it might be: both as if it were about to be placed, warm on either. */
export interface Comparison {
  readonly need: PlacementRequest;
  readonly profile: Profile;
  readonly from: Candidate;
  readonly to: Candidate;
  readonly replica: FleetPlacement;
  /** Replicas of the deployment in each zone, without this one. */
  readonly byZone: ScoreContext["byZone"];
}

/**
 * By how many points the other node is better at least, whatever the measured signals are off by. So equal nodes never look
 * better than each other, and noise moves nothing. Requests that fail where the replica is are no reason to go: they come and
 * go faster than a push pays. That requests fail on the other node is one to stay.
 */
export function guardedGain({ need, profile, from, to, replica, byZone }: Comparison): number {
  const seen = { own: [replica], byZone };
  const stays = { ...need, errorShares: undefined };
  const leaves = { ...from, errorShare: 0 };
  let gain = 0;
  for (const { score, weight } of profile.scores) {
    if (score.name === LEFT_OUT) continue;
    const [most] = boundsOf(score, leaves, { need: stays, seen }).toReversed();
    const [least] = boundsOf(score, to, { need, seen });
    gain += weight * ((least ?? 0) - (most ?? 0));
  }
  return gain;
}

/** By how much sooner a request is answered there at least, in ms. */
export const savedMs = ({ need, from, to }: Pick<Comparison, "need" | "from" | "to">): number =>
  wayMs(from, need, 0) / (1 + NOISE) - wayMs(to, need, Infinity) / (1 - NOISE);

const wayMs = ({ node }: Candidate, { hops }: PlacementRequest, unknownMs: number): number =>
  (node.load?.rttMs ?? unknownMs) + hopMsTo(node, hops);

/** The least and the most points that the score may really give. */
function boundsOf(
  score: Score,
  candidate: Candidate,
  { need, seen }: { readonly need: PlacementRequest; readonly seen: ScoreContext },
): readonly number[] {
  const own = needOn(need, candidate.node);
  return [1 / (1 + NOISE), 1 / (1 - NOISE)]
    .map((factor) => {
      const request = own.hops ? { ...own, hops: scaledHops(own.hops, factor) } : own;
      return score.points(withSignals(candidate, factor), request, seen) ?? UNKNOWN_POINTS;
    })
    .toSorted((a, b) => a - b);
}

function withSignals(candidate: Candidate, factor: number): Candidate {
  const { node } = candidate;
  if (!node.load) return candidate;
  const load = { ...node.load, cpuPct: Math.min(100, node.load.cpuPct * factor), rttMs: node.load.rttMs * factor };
  return { ...candidate, node: { ...node, load } };
}
