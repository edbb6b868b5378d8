import type { RouteCandidate, ScoredCandidate } from "./estimate.ts";

/** What the caller and the deployment ask for beyond an early answer. */
export interface RoutePreference {
  /** `Skerry-Prefer`: overrides the SLO, and never causes a refusal. */
  readonly prefer: "fast" | "cheap" | "edge" | "cloud" | undefined;
  /** The deployment's p95, in ms; undefined: the soonest answer, whatever it costs. */
  readonly sloMs: number | undefined;
}

/** Estimates err: what is expected later than this part of the SLO would often miss it. */
const SLO_PART = 0.8;

interface Narrowed<Candidate extends RouteCandidate> {
  readonly pool: readonly ScoredCandidate<Candidate>[];
  /** Undefined when nobody was left out for it. */
  readonly reason: "cheapest" | "preferred" | undefined;
}

/** Until when an answer is good enough for the cheapest node to give it, in ms; undefined: only the soonest is. */
export function limitOf({ prefer, sloMs }: RoutePreference): number | undefined {
  if (prefer === "cheap") return Infinity;
  return prefer === undefined && sloMs !== undefined ? SLO_PART * sloMs : undefined;
}

/** The candidates that the preference leaves, at least one; all of them when nobody meets it. */
export function applyPreference<Candidate extends RouteCandidate>(
  timed: readonly ScoredCandidate<Candidate>[],
  preference: RoutePreference,
): Narrowed<Candidate> {
  const { prefer } = preference;
  if (prefer === "edge" || prefer === "cloud") {
    const pool = timed.filter(({ candidate }) => candidate.kind === prefer);
    return pool.length > 0 && pool.length < timed.length ? { pool, reason: "preferred" } : whole(timed);
  }
  const withinMs = limitOf(preference);
  if (withinMs === undefined) return whole(timed);
  let least = Infinity;
  let most = -Infinity;
  for (const { candidate, eta } of timed) {
    if (candidate.cost > most) most = candidate.cost;
    if (eta <= withinMs && candidate.cost < least) least = candidate.cost;
  }
  if (least === Infinity) return whole(timed);
  const pool = timed.filter(({ candidate, eta }) => eta <= withinMs && candidate.cost === least);
  return { pool, reason: least === most ? undefined : prefer === "cheap" ? "preferred" : "cheapest" };
}

const whole = <Candidate extends RouteCandidate>(
  timed: readonly ScoredCandidate<Candidate>[],
): Narrowed<Candidate> => ({
  pool: timed,
  reason: undefined,
});
