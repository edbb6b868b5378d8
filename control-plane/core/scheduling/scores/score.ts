import type { FleetPlacement } from "../../fleet/types.ts";
import type { Candidate, PlacementRequest, RequestKey } from "../candidates/candidate.ts";

/** What a score sees beside the node and the request. */
export interface ScoreContext {
  /** The placements of the request's model or deployment on the node. */
  readonly own: readonly FleetPlacement[];
  /** Replicas of the request's deployment in each zone that has some. */
  readonly byZone: ReadonlyMap<string, number>;
}

export interface Scored {
  /** 0–100. 50 when the signal is unknown: an unknown never leaves the sum. */
  readonly score: number;
  /** The figure behind it with its unit, or `unknown`. */
  readonly raw: string;
}

/** A heuristic: a number 0–100 whose ends are described. Pure. */
export interface Score {
  readonly name: string;
  readonly zeroMeans: string;
  readonly hundredMeans: string;
  /** It depends on how many replicas `byZone` has in the zone of the node and in the others, and on nothing else. */
  readonly isOfZone?: boolean;
  /**
   * Of a score that falls from 100 by so much per unit on a node, by as many units as the request has, where the node holds
   * nothing of the request's model and deployment: what nodes take is then kept once for all requests.
   */
  readonly lost?: {
    readonly perUnit: (candidate: Candidate) => number;
    readonly units: (request: PlacementRequest) => number;
  };
  /**
   * What of the request the points depend on where the node holds nothing of its model and deployment: on such a node
   * requests with equal keys get the same points, so that they are found once for all of them.
   */
  readonly keyOf: RequestKey;
  /** 0–100; undefined when the signal is unknown. */
  points(candidate: Candidate, request: PlacementRequest, seen: ScoreContext): number | undefined;
  /** The figure behind the points with its unit. */
  raw(candidate: Candidate, request: PlacementRequest, seen: ScoreContext): string;
}

const UNKNOWN: Scored = { score: 50, raw: "unknown" };

/** What counts when a signal is unknown. */
export const UNKNOWN_POINTS = UNKNOWN.score;

export function scoredBy(
  score: Score,
  candidate: Candidate,
  { request, seen }: { readonly request: PlacementRequest; readonly seen: ScoreContext },
): Scored {
  const points = score.points(candidate, request, seen);
  return points === undefined ? UNKNOWN : { score: points, raw: score.raw(candidate, request, seen) };
}

export const clampScore = (value: number): number => Math.round(Math.min(100, Math.max(0, value)) * 10) / 10;
