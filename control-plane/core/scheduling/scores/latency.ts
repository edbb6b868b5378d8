import type { FleetPlacement } from "../../fleet/types.ts";
import type { Candidate, PlacementRequest } from "../candidate.ts";
import { clampScore, type Score } from "./score.ts";

/** What an answer may take when the deployment names no SLO, in ms. */
const DEFAULT_BUDGET_MS = 250;

/** How soon the node would answer: round trip plus the service time measured there, or none if it never ran there. */
export const latency: Score = {
  name: "latency",
  zeroMeans: "the answer takes the whole SLO (250 ms without one) or longer",
  hundredMeans: "instant",
  keyOf: (request) => budgetMs(request),
  points(candidate, request, { own }) {
    const answerMs = answerTime(candidate, request, own);
    return answerMs === undefined ? undefined : clampScore(100 * (1 - answerMs / budgetMs(request)));
  },
  raw: (candidate, request, { own }) => `${(answerTime(candidate, request, own) ?? 0).toFixed(1)} ms`,
};

const budgetMs = ({ deployment }: PlacementRequest): number => deployment.spec.slo?.p95Ms ?? DEFAULT_BUDGET_MS;

/** In ms; undefined without a load report. */
function answerTime(
  { node }: Candidate,
  { version }: PlacementRequest,
  own: readonly FleetPlacement[],
): number | undefined {
  const rttMs = node.load?.rttMs;
  if (rttMs === undefined) return undefined;
  const here = own.find((placement) => placement.model === version.model && placement.warmUs !== undefined);
  return rttMs + (here?.warmUs ?? 0) / 1_000;
}
