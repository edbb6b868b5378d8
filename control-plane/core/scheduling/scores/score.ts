import type { Candidate, PlacementRequest } from "../candidate.ts";

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
  of(candidate: Candidate, need: PlacementRequest, candidates: readonly Candidate[]): Scored;
}

export const UNKNOWN: Scored = { score: 50, raw: "unknown" };

export const clampScore = (value: number): number => Math.round(Math.min(100, Math.max(0, value)) * 10) / 10;
